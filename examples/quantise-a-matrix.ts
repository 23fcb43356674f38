/** `@bitloom/formats` alone: a float matrix as 4-bit codes with fp16 group scales, its size, and what it lost. */
import { canonicalBytes, dequantizeGroups, errorMetrics, quantizeGroups } from '@bitloom/formats';

const [rows, cols] = [8, 100];
const weights = Float32Array.from({ length: rows * cols }, (_, i) => Math.sin(i * 0.37) * (1 + (i % 7)));
const shape = { rows, cols, bits: 4, groupSize: 32 };
const quantized = quantizeGroups(weights, shape);

const { rmse, sqnr } = errorMetrics(weights, dequantizeGroups(quantized));
console.log(`${weights.byteLength} bytes of float32 become ${canonicalBytes(shape).total}`);
console.log(`rmse ${rmse.toFixed(4)}, signal to noise ${sqnr.toFixed(1)} dB`);
