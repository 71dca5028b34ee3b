// An edge node of npm sparkplug-client: born with a device, says a count at each line it is told, answers rebirths.
const sparkplug = require('sparkplug-client')
const readline = require('readline')
const client = sparkplug.newClient({
  serverUrl: `tcp://127.0.0.1:${process.argv[2]}`, username: '', password: '', groupId: 'Sparkplug Devices',
  edgeNode: 'Test Edge Node', clientId: 'js-edge', version: 'spBv1.0', publishDeath: true,
})
let count = 0
const started = Date.now()
const births = () => {
  client.publishNodeBirth({ timestamp: Date.now(), metrics: [
    { name: 'Node Control/Rebirth', type: 'Boolean', value: false },
    { name: 'Temp', type: 'Double', value: 21.5 },
    { name: 'Steps', type: 'DataSet', value: { numOfColumns: 2, types: ['Int32', 'Double'], columns: ['step', 'load'], rows: [[1, 2.5], [2, 3.5]] } },
  ] })
  client.publishDeviceBirth('Press 1', { timestamp: Date.now(), metrics: [{ name: 'Count', type: 'UInt32', value: count }] })
}
client.on('birth', births)
client.on('ncmd', (payload) => {
  if ((payload.metrics || []).some((metric) => metric.name === 'Node Control/Rebirth' && metric.value)) { console.log('asked'); births() }
})
readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const [word, argument] = line.split(' ')
  if (word === 'count') {
    for (let n = 0; n < Number(argument); n += 1) {
      count += 1
      client.publishDeviceData('Press 1', { timestamp: started + count, metrics: [{ name: 'Count', type: 'UInt32', value: count }] },
        count % 3 === 0 ? { compress: true, algorithm: 'GZIP' } : {})
    }
  } else if (word === 'temp') client.publishNodeData({ timestamp: Date.now(), metrics: [{ name: 'Temp', type: 'Double', value: Number(argument) }] })
  else if (word === 'gone') client.publishDeviceDeath('Press 1', { timestamp: Date.now() })
  else if (word === 'stop') { client.stop(); setTimeout(() => process.exit(0), 300) }
})
