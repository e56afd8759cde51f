/**
 * Stage 4, TELL: markup that cannot be broken by what it tells. Pure.
 */

/** Markup that is safe as it stands. */
export class Html {
  constructor(readonly text: string) {}
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/**
 * A template whose values are escaped, those that are {@link Html} excepted. A list is its members; `null` and `false` are nothing. Line breaks are
 * for the reader of the code: one between two elements goes, any other is a space.
 */
export function html(parts: TemplateStringsArray, ...values: readonly unknown[]): Html {
  const tidy = parts.map((part) => part.replace(/>\s*\n\s*</g, '><').replace(/\s*\n\s*/g, ' '));
  return new Html(tidy.reduce((text, part, i) => text + markup(values[i - 1]) + part));
}

/** A value for the body of a script element: nothing in it can end the element or begin a comment. */
export function json(value: unknown): Html {
  return new Html(JSON.stringify(value).replace(/</g, '\\u003c'));
}

function markup(value: unknown): string {
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(markup).join('');
  if (value === false) return '';
  return String(value ?? '').replace(/[&<>"']/g, (char) => ESCAPES[char]!);
}
