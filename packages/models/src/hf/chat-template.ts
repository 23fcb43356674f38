/** Finds the chat template of a Hugging Face folder. */
import { type Folder, readSmallFile } from '../bytes/folder.js';
import { decodeUtf8, isJsonObject, parseJsonObject } from '../json/strict-json.js';

const MAX_FILE = 16 << 20;

/**
 * The template: `chat_template.jinja`, or `chat_template` in `tokenizer_config.json` (a string, or a list of named ones
 * of which `default` is taken). Undefined when there is none.
 * @throws BitloomError the `json-` errors
 */
export async function readChatTemplate(folder: Folder): Promise<string | undefined> {
  if (folder.has('chat_template.jinja')) {
    const bytes = await readSmallFile(folder, 'chat_template.jinja', MAX_FILE);
    return decodeUtf8(bytes, `${folder.name}/chat_template.jinja`);
  }
  if (!folder.has('tokenizer_config.json')) return undefined;
  const where = `${folder.name}/tokenizer_config.json`;
  const { chat_template: template } = parseJsonObject(
    await readSmallFile(folder, 'tokenizer_config.json', MAX_FILE),
    where,
  );
  if (typeof template === 'string') return template;
  if (!Array.isArray(template)) return undefined;
  const named = template.find((entry) => isJsonObject(entry) && entry.name === 'default');
  return isJsonObject(named) && typeof named.template === 'string' ? named.template : undefined;
}
