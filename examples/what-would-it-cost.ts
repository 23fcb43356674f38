/** `@bitloom/compiler` and `@bitloom/simulator`: TinyLlama 1.1B, shapes only, on the plain cards. */
import { compile, instructionBytes } from '@bitloom/compiler';
import { quantizeModel } from '@bitloom/compression';
import { CARDS, encodedLength, memorySections } from '@bitloom/ir';
import { zooModel } from '@bitloom/models';
import { simulate } from '@bitloom/simulator';

const { model } = quantizeModel({ model: zooModel('tinyllama-1.1b'), sections: memorySections({}) }, 'W4A8');
for (const device of CARDS.filter(({ name }) => !name.includes('-'))) {
  const program = compile(model, device, { capacity: 512 });
  const bytes = instructionBytes(program);
  const { report } = simulate(program, device, {
    prefill: 64,
    decode: 1,
    model: model.name,
    instructionBytes: bytes,
    encodedLength,
  });
  const { decodeTokensPerSecond, joulesPerToken } = report.totals;
  console.log(
    `${device.name}: ${decodeTokensPerSecond.toFixed(0)} token/s and ${(joulesPerToken * 1e3).toFixed(0)} mJ/token simulated, ${bytes.resolved} bytes of instructions`,
  );
}
