/** Small pieces of HTML as strings. Whatever comes from a file passes through `escapeHtml`. */

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

/** JSON that may stand inside a script element: no `<` can end it. */
export function scriptJson(value: unknown): string {
  return JSON.stringify(value)
    .replaceAll('<', '\\u003c')
    .replaceAll('\u2028', '\\u2028')
    .replaceAll('\u2029', '\\u2029');
}

/** One part of a bar. `kind` names its colour: the page's style has `--c-<kind>`. */
export interface Segment {
  readonly label: string;
  readonly kind: string;
  readonly value: number;
  /** The value with its unit, for people. */
  readonly text: string;
}

/** Parts below this share of the bar are too thin to see; they stay in the text of the bar. */
const THIN = 0.0005;

/** A horizontal bar of parts, `total` long. */
export function stackedBar(segments: readonly Segment[], total: number): string {
  const shown = segments.filter(({ value }) => value > 0);
  const text = shown.map(({ label, text: value }) => `${label} ${value}`).join(', ');
  const parts = shown
    .filter(({ value }) => value / total > THIN)
    .map(({ label, kind, value, text: shownValue }) => {
      const width = ((100 * value) / total).toFixed(2);
      const title = escapeHtml(`${label}: ${shownValue}`);
      return `<i style="width:${width}%;background:var(--c-${kind})" title="${title}"></i>`;
    });
  return `<div class="bar" role="img" aria-label="${escapeHtml(text)}">${parts.join('')}</div>`;
}

/** Colours and names under a chart. */
export function legend(entries: readonly (readonly [kind: string, label: string])[]): string {
  const items = entries.map(
    ([kind, label]) => `<span><i style="background:var(--c-${kind})"></i>${escapeHtml(label)}</span>`,
  );
  return `<p class="legend">${items.join('')}</p>`;
}

/** A table; cells are HTML already. `numeric` columns are aligned to the right. */
export function table(
  head: readonly { readonly title: string; readonly numeric?: boolean; readonly minor?: boolean }[],
  rows: readonly (readonly string[])[],
): string {
  const attributes = (column: number): string => {
    const classes = [head[column].numeric === true ? 'n' : '', head[column].minor === true ? 'minor' : ''];
    const joined = classes.filter((name) => name !== '').join(' ');
    return joined === '' ? '' : ` class="${joined}"`;
  };
  const titles = head.map(({ title }, i) => `<th${attributes(i)}>${escapeHtml(title)}</th>`).join('');
  const body = rows.map(
    (row) => `<tr>${row.map((cell, i) => `<td${attributes(i)}>${cell}</td>`).join('')}</tr>`,
  );
  return `<div class="scroll"><table><thead><tr>${titles}</tr></thead><tbody>${body.join('\n')}</tbody></table></div>`;
}
