/**
 * Renders a chat template (Jinja, as models carry them) to the text a model was trained on. The result holds control
 * tokens as text: encode it with `special: true` and `bos: false`, because templates write the first token themselves.
 *
 * A template comes from a model's files, so it is held on a short lead: no clock, no state between calls, bounded
 * ranges. It is still a program; render templates only of models whose code you would run.
 */
import { BitloomError } from '@bitloom/ir';
import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja';

/** One turn. Templates may look at further fields, which are passed on. */
export interface ChatMessage {
  readonly role: string;
  readonly content: string | readonly unknown[] | null;
  readonly [field: string]: unknown;
}

export interface ChatOptions {
  /** Begin the assistant's turn. Default true. */
  readonly addGenerationPrompt?: boolean;
  readonly bosToken?: string;
  readonly eosToken?: string;
  /** Descriptions of callable functions, in the form the template wants. */
  readonly tools?: readonly unknown[];
  /** Today, for templates that print it. Without it they do without. */
  readonly date?: { readonly year: number; readonly month: number; readonly day: number };
  /** Further variables of the template. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

const MAX_TEMPLATE = 1 << 20;
const MAX_RANGE = 10_000;
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

/**
 * Renders a conversation.
 * @param template the Jinja source, e.g. `model.text.chatTemplate`
 * @throws BitloomError `chat-template-refused` when the template itself raises (a role it does not know, say),
 *   `chat-template-invalid` when it cannot be parsed or run
 */
export function renderChat(
  template: string,
  messages: readonly ChatMessage[],
  options: ChatOptions = {},
): string {
  if (template.length > MAX_TEMPLATE) {
    throw invalid(`at most ${MAX_TEMPLATE} characters`, `${template.length} characters`);
  }
  const refusals: string[] = [];
  const environment = new Environment();
  const variables: Record<string, unknown> = {
    ...options.variables,
    ...globals(refusals, options.date),
    messages,
    add_generation_prompt: options.addGenerationPrompt ?? true,
    bos_token: options.bosToken ?? '',
    eos_token: options.eosToken ?? '',
    ...(options.tools === undefined ? {} : { tools: options.tools }),
  };
  try {
    for (const [name, value] of Object.entries(variables)) environment.set(name, value);
    const program = parse(tokenize(template, { lstrip_blocks: true, trim_blocks: true }));
    const result: { value?: unknown } = new Interpreter(environment).run(program);
    if (typeof result.value === 'string') return result.value;
    throw invalid('text', typeof result.value);
  } catch (cause) {
    if (cause instanceof BitloomError) throw cause;
    if (refusals.length === 0)
      throw invalid('a template that @huggingface/jinja can run', String(cause), cause);
    throw new BitloomError({
      code: 'chat-template-refused',
      message: 'the chat template refuses this conversation',
      where: 'chat template',
      got: refusals.join('; ').slice(0, 300),
      hint: 'change the order or the roles of the messages',
      cause,
    });
  }
}

/** The names every template may use. */
function globals(refusals: string[], date: ChatOptions['date']): Record<string, unknown> {
  return {
    true: true,
    false: false,
    none: null,
    True: true,
    False: false,
    None: null,
    raise_exception: (message: unknown) => {
      refusals.push(String(message));
      throw new Error(String(message));
    },
    range: (start: number, stop?: number, step = 1) => boundedRange(start, stop, step),
    ...(date === undefined ? {} : { strftime_now: (format: unknown) => formatDate(String(format), date) }),
  };
}

function boundedRange(start: number, stop: number | undefined, step: number): number[] {
  const [from, to] = stop === undefined ? [0, start] : [start, stop];
  const count = Math.ceil((to - from) / step);
  if (!(Math.abs(count) <= MAX_RANGE)) throw new Error(`a range of more than ${MAX_RANGE} numbers`);
  return Array.from({ length: Math.max(0, count) }, (_, i) => from + i * step);
}

function formatDate(format: string, { year, month, day }: NonNullable<ChatOptions['date']>): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const name = MONTHS[month - 1] ?? '';
  const parts: Readonly<Record<string, string>> = {
    Y: String(year),
    m: two(month),
    d: two(day),
    B: name,
    b: name.slice(0, 3),
    '%': '%',
  };
  return format.replace(/%([A-Za-z%])/g, (whole, letter: string) => parts[letter] ?? whole);
}

function invalid(expected: string, got: string, cause?: unknown): BitloomError {
  return new BitloomError({
    code: 'chat-template-invalid',
    message: 'the chat template cannot be rendered',
    where: 'chat template',
    expected,
    got: got.slice(0, 300),
    hint: 'check the template, or pass another one',
    ...(cause === undefined ? {} : { cause }),
  });
}
