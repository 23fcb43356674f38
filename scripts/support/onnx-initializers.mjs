/**
 * The float32 initialisers of an ONNX file, by a walk over its protobuf fields: enough to measure number formats on
 * the weights of a convolutional network. It knows four messages by the numbers of their fields and skips all others;
 * it is no ONNX reader and checks no graph.
 *
 * Field numbers from onnx.proto: ModelProto.graph 7; GraphProto.initializer 5; TensorProto dims 1, data_type 2,
 * float_data 4, name 8, raw_data 9.
 */

const FLOAT = 1;
const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 };

/** Fields of a message, in order: number, and a value (bytes as a view, varints as numbers). */
function* fields(bytes) {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      if (at >= bytes.length) throw new Error('an ONNX field ends past its message');
      const byte = bytes[at++];
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const wire = key % 8;
    const number = Math.floor(key / 8);
    if (wire === WIRE.varint) yield { number, value: varint() };
    else {
      const length =
        wire === WIRE.bytes ? varint() : wire === WIRE.fixed32 ? 4 : wire === WIRE.fixed64 ? 8 : -1;
      if (length < 0 || at + length > bytes.length)
        throw new Error(`an ONNX field ${number} of wire type ${wire} cannot be read`);
      yield { number, value: bytes.subarray(at, at + length) };
      at += length;
    }
  }
}

const text = new TextDecoder();

/** One TensorProto: name, shape and float32 values; undefined where it holds another type. */
function tensor(bytes) {
  let name = '';
  let type = 0;
  let data = new Uint8Array(0);
  const shape = [];
  for (const { number, value } of fields(bytes)) {
    // Dimensions come one by one or packed.
    if (number === 1) shape.push(...(typeof value === 'number' ? [value] : [...packedVarints(value)]));
    else if (number === 2) type = value;
    else if (number === 8) name = text.decode(value);
    else if (number === 4 || number === 9) data = value;
  }
  if (type !== FLOAT) return undefined;
  const count = shape.reduce((product, size) => product * size, 1);
  if (data.length !== 4 * count)
    throw new Error(`the initialiser ${name} does not have the bytes of its shape`);
  // A copy: the values need not lie on a multiple of four bytes in the file.
  return { name, shape, data: new Float32Array(Uint8Array.from(data).buffer) };
}

function* packedVarints(bytes) {
  let value = 0;
  let shift = 1;
  for (const byte of bytes) {
    value += (byte & 127) * shift;
    shift *= 128;
    if (byte >= 128) continue;
    yield value;
    value = 0;
    shift = 1;
  }
}

/** Name, shape and values of every float32 initialiser of an ONNX model, in the order of the file. */
export function onnxInitializers(bytes) {
  const found = [];
  for (const model of fields(bytes)) {
    if (model.number !== 7) continue;
    for (const graph of fields(model.value)) {
      const initializer = graph.number === 5 ? tensor(graph.value) : undefined;
      if (initializer !== undefined) found.push(initializer);
    }
  }
  return found;
}
