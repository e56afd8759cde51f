/**
 * Stage 6, ASK: what the first bytes of an answer say. Pure, over a text with one character per byte.
 */

/** The status line is not whole yet. */
export const MORE = 0;
/** What came cannot become a status line. */
export const NOT_HTTP = 1;

const FORM = 'HTTP/1.d ddd';

/** The status, 100 to 999, once its line is whole; before that MORE, or NOT_HTTP as soon as it cannot be one. */
export function statusOf(answer: string): number {
  for (let i = 0; i < FORM.length; i++) {
    const character = answer[i];
    if (character === undefined) return MORE;
    if (FORM[i] === 'd' ? character < '0' || character > '9' : character !== FORM[i]) return NOT_HTTP;
  }
  const status = Number(answer.slice(9, 12));
  if (status < 100 || (answer[12] ?? ' ') > ' ') return NOT_HTTP;
  return answer.includes('\n', 12) ? status : MORE;
}

/** Where the body begins, or -1 while the headers go on. */
export function bodyAt(answer: string): number {
  const end = /\n\r?\n/.exec(answer);
  return end ? end.index + end[0].length : -1;
}

/** Takes whole informational answers (100, 103) off the front. 101 stays: after it comes no HTTP. */
export function withoutInformational(answer: string): string {
  for (;;) {
    const status = statusOf(answer);
    if (!isInformational(status)) return answer;
    const body = bodyAt(answer);
    if (body < 0) return answer;
    answer = answer.slice(body);
  }
}

/** 100 to 199 without 101: another answer follows on the same connection. */
export function isInformational(status: number): boolean {
  return status >= 100 && status <= 199 && status !== 101;
}

/** The value of the first whole header line of that (lower-case) name. */
export function headerOf(answer: string, name: string): string | undefined {
  const body = bodyAt(answer);
  const head = body < 0 ? answer : answer.slice(0, body);
  for (const line of head.split('\n').slice(1, -1)) {
    if (line.slice(0, name.length + 1).toLowerCase() === `${name}:`)
      return line.slice(name.length + 1).replaceAll(';', ' ');
  }
  return undefined;
}
