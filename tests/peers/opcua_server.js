// An OPC UA server of node-opcua with a machine of the Machinery nodesets; told what to do by lines.
const {
  OPCUAServer, OPCUACertificateManager, MessageSecurityMode, SecurityPolicy, nodesets, Variant, DataType, VariantArrayType, StatusCodes, DataValue,
} = require('node-opcua')
const path = require('path')
const readline = require('readline')

const main = async () => {
  const [, , port, folder] = process.argv
  const manager = new OPCUACertificateManager({ automaticallyAcceptUnknownCertificate: true, rootFolder: path.join(folder, 'pki') })
  await manager.initialize()
  const server = new OPCUAServer({
    port: Number(port), hostname: '127.0.0.1', serverCertificateManager: manager,
    nodeset_filename: [nodesets.standard, nodesets.di, nodesets.ia, nodesets.machinery, nodesets.isa95JobControl, nodesets.machineryResult, nodesets.machineryJobs],
    securityModes: [MessageSecurityMode.None, MessageSecurityMode.SignAndEncrypt],
    securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256, SecurityPolicy.Aes256_Sha256_RsaPss],
    userManager: { isValidUser: (user, password) => user === 'asbuilt' && password === 'right' },
  })
  await server.initialize()
  const space = server.engine.addressSpace
  const own = space.getOwnNamespace()
  const press = own.addObject({ organizedBy: space.rootFolder.objects, browseName: 'Press' })
  const add = (name, dataType, value) => {
    const node = own.addVariable({ componentOf: press, browseName: name, nodeId: `s=${name}`, dataType, value: new Variant({ dataType: DataType[dataType], value }) })
    return node
  }
  const temp = add('Temp', 'Double', 20.5)
  const count = add('Count', 'UInt32', 0)
  const state = add('State', 'String', 'idle')
  const wide = []
  for (let n = 0; n < 100; n += 1) wide.push(add(`Wide ${n}`, 'Double', n))
  space.installHistoricalDataNode(temp)
  const machinery = space.getNamespaceIndex('http://opcfoundation.org/UA/Machinery/')
  const machines = space.rootFolder.objects.getFolderElementByName('Machines', machinery)
  const mill = own.addObject({ organizedBy: machines, browseName: 'Mill 1' })
  const blocks = own.addObject({ componentOf: mill, browseName: { name: 'MachineryBuildingBlocks', namespaceIndex: machinery } })
  const item = space.findObjectType('MachineryItemState_StateMachineType', machinery).instantiate({ componentOf: blocks, browseName: { name: 'MachineryItemState', namespaceIndex: machinery } })
  const current = item.getComponentByName('CurrentState')
  const say = (word) => current.setValueFromSource({ dataType: DataType.LocalizedText, value: { text: word, locale: 'en' } }, word ? StatusCodes.Good : StatusCodes.BadNoData)
  say('NotExecuting')
  const jobs = space.getNamespaceIndex('http://opcfoundation.org/UA/ISA95-JOBCONTROL_V2/')
  const response = space.findDataType('ISA95JobResponseDataType', jobs)
  const management = own.addObject({ componentOf: blocks, browseName: 'JobManagement' })
  const results = own.addObject({ componentOf: management, browseName: 'JobOrderResults' })
  const list = own.addVariable({ componentOf: results, browseName: 'JobOrderResponseList', dataType: response, valueRank: 1,
    value: new Variant({ dataType: DataType.ExtensionObject, arrayType: VariantArrayType.Array, value: [] }) })
  const ended = []
  await server.start()
  console.log('ready')
  let counted = 0
  readline.createInterface({ input: process.stdin }).on('line', (line) => {
    const [word, argument] = [line.split(' ')[0], line.split(' ').slice(1).join(' ')]
    const now = new Date()
    if (word === 'temp') temp.setValueFromSource({ dataType: DataType.Double, value: Number(argument) }, StatusCodes.Good, now)
    else if (word === 'count') for (let n = 0; n < Number(argument); n += 1) { counted += 1; count.setValueFromSource({ dataType: DataType.UInt32, value: counted }, StatusCodes.Good, now) }
    else if (word === 'state') state.setValueFromSource({ dataType: DataType.String, value: argument }, StatusCodes.Good, now)
    else if (word === 'machine') say(argument)
    else if (word === 'bad') temp.setValueFromSource({ dataType: DataType.Double, value: 0 }, StatusCodes.BadSensorFailure, now)
    else if (word === 'wide') for (let round = 0; round < Number(argument); round += 1) for (const node of wide) node.setValueFromSource({ dataType: DataType.Double, value: Math.random() }, StatusCodes.Good, new Date())
    else if (word === 'job') {
      ended.push(space.constructExtensionObject(response, { jobResponseID: `R-${argument}`, jobOrderID: argument, startTime: new Date(now.getTime() - 60000), endTime: now }))
      list.setValueFromSource({ dataType: DataType.ExtensionObject, arrayType: VariantArrayType.Array, value: ended }, StatusCodes.Good, now)
    } else if (word === 'stop') server.shutdown(0).then(() => process.exit(0))
  })
}
main().catch((error) => { console.error(error); process.exit(1) })
