// Reads one Data Matrix from grey pixels on standard input (argument: pixels on a side) and prints its text.
const zxing = require('@zxing/library');
const side = Number(process.argv[2]);
const pixels = new Uint8ClampedArray(require('fs').readFileSync(0));
const source = new zxing.RGBLuminanceSource(pixels, side, side);
const bitmap = new zxing.BinaryBitmap(new zxing.HybridBinarizer(source));
process.stdout.write(new zxing.DataMatrixReader().decode(bitmap).getText());
