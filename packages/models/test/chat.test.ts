import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type ChatMessage, renderChat } from '../src/chat/render-chat.js';
import { dataPath, expectBitloomError, hasData } from './support.js';

const TALK: readonly ChatMessage[] = [
  { role: 'user', content: 'Hello!' },
  { role: 'assistant', content: ' Hi. ' },
  { role: 'user', content: 'Who are you?' },
];
const template = (name: string): string => readFileSync(dataPath('chat-templates', `${name}.jinja`), 'utf8');

describe.skipIf(!hasData)('real chat templates', () => {
  it('Qwen 2.5', () => {
    const text = renderChat(template('Qwen-Qwen2.5-7B-Instruct'), TALK);
    expect(text).toBe(
      '<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n' +
        '<|im_start|>user\nHello!<|im_end|>\n<|im_start|>assistant\n Hi. <|im_end|>\n' +
        '<|im_start|>user\nWho are you?<|im_end|>\n<|im_start|>assistant\n',
    );
    const system = [{ role: 'system', content: 'Be brief.' }, ...TALK];
    expect(renderChat(template('Qwen-Qwen2.5-7B-Instruct'), system, { addGenerationPrompt: false })).toMatch(
      /^<\|im_start\|>system\nBe brief\.<\|im_end\|>\n.*Who are you\?<\|im_end\|>\n$/s,
    );
  });

  it('Qwen 2.5 with a tool', () => {
    const tools = [{ type: 'function', function: { name: 'weather', parameters: { type: 'object' } } }];
    const text = renderChat(template('Qwen-Qwen2.5-7B-Instruct'), TALK, { tools });
    expect(text).toContain(
      '<tools>\n{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}\n</tools>',
    );
  });

  it('Gemma 2, and its refusals', async () => {
    const gemma = template('google-gemma-2-2b-it');
    expect(renderChat(gemma, TALK, { bosToken: '<bos>' })).toBe(
      '<bos><start_of_turn>user\nHello!<end_of_turn>\n<start_of_turn>model\nHi.<end_of_turn>\n' +
        '<start_of_turn>user\nWho are you?<end_of_turn>\n<start_of_turn>model\n',
    );
    const system = await expectBitloomError(
      () => renderChat(gemma, [{ role: 'system', content: 'x' }]),
      'chat-template-refused',
    );
    expect(system.got).toBe('System role not supported');
    await expectBitloomError(() => renderChat(gemma, [TALK[0], TALK[2]]), 'chat-template-refused');
  });

  it('Llama 3.1', () => {
    const text = renderChat(template('meta-llama-Llama-3.1-8B-Instruct'), TALK, {
      bosToken: '<|begin_of_text|>',
      variables: { date_string: '1 Jan 2026' },
    });
    expect(text).toBe(
      '<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n' +
        'Cutting Knowledge Date: December 2023\nToday Date: 1 Jan 2026\n\n<|eot_id|>' +
        '<|start_header_id|>user<|end_header_id|>\n\nHello!<|eot_id|>' +
        '<|start_header_id|>assistant<|end_header_id|>\n\nHi.<|eot_id|>' +
        '<|start_header_id|>user<|end_header_id|>\n\nWho are you?<|eot_id|>' +
        '<|start_header_id|>assistant<|end_header_id|>\n\n',
    );
  });

  it('Phi 3.5', () => {
    expect(renderChat(template('microsoft-Phi-3.5-mini-instruct'), TALK, { eosToken: '<|endoftext|>' })).toBe(
      '<|user|>\nHello!<|end|>\n<|assistant|>\n Hi. <|end|>\n<|user|>\nWho are you?<|end|>\n<|assistant|>\n',
    );
  });
});

describe('chat templates', () => {
  it('know the date only when they are told', () => {
    const source =
      '{% if strftime_now is defined %}{{ strftime_now("%d %b %Y, 100%%") }}{% else %}no date{% endif %}';
    expect(renderChat(source, TALK)).toBe('no date');
    expect(renderChat(source, TALK, { date: { year: 2026, month: 2, day: 3 } })).toBe('03 Feb 2026, 100%');
  });

  it('cannot make endless ranges', async () => {
    expect(renderChat('{% for i in range(1, 7, 2) %}{{ i }}{% endfor %}', TALK)).toBe('135');
    await expectBitloomError(() => renderChat('{{ range(1000000000) }}', TALK), 'chat-template-invalid');
    await expectBitloomError(() => renderChat('{{ range(0, 10, 0) }}', TALK), 'chat-template-invalid');
  });

  it.each(['{% if %}', '{{ messages[0].content | no_such_filter }}', '{% for %}', '{{'])(
    '%s is a typed error',
    async (source) => {
      await expectBitloomError(() => renderChat(source, TALK), 'chat-template-invalid');
    },
  );

  it('are bounded in size', async () => {
    await expectBitloomError(() => renderChat('x'.repeat(2 ** 21), TALK), 'chat-template-invalid');
  });
});
