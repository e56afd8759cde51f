/**
 * Stage 6, ASK, the doctor: what keeps a health check from running at all: words for a shell where none is, a tool that is
 * not in the image. Each rule takes a subject and gives what it finds. Pure.
 */
import { commandsOf, isProbe, shellText } from './command-line.js';
import { INSTALL, lineOf, misplacedIn, ours, quoted, repaired, variableIn } from './correction.js';
import type { Finding } from './finding.js';
import { has } from './image.js';
import { type Rule, found, over } from './rules-check.js';
import type { HealthCheck, Subject } from './subject.js';

const shellInList = over((check, subject) => {
  const { words, isMisformed } = check;
  if (isMisformed)
    return found(
      'error',
      'test-form',
      check,
      `a list must begin with CMD, CMD-SHELL or NONE, got "${words[0]}": compose turns the file away`,
      `test: ${quoted(['CMD', ...words])}`,
    );
  const misplaced = misplacedIn(check);
  if (!misplaced) return variableInList(check, subject);
  const [tool = ''] = words;
  const end = tool.endsWith('curl')
    ? ', curl ends with 3'
    : tool.endsWith('wget')
      ? ', wget asks for a page that is not there'
      : '';
  const becomes = `"${misplaced.text}" becomes a part of an argument${misplaced.isApart ? '' : end}`;
  // redis-cli ends with 0 for a word that it does not know.
  const leads = isProbe(words) || end !== '' ? 'the container is never healthy' : 'the check is another one';
  return found(
    'error',
    'shell-in-list',
    check,
    `no shell runs in a CMD list: ${becomes}, and ${leads}`,
    ...corrected(check, subject),
  );
});

/** In a URL nothing can be asked with it; elsewhere it may do no harm: pg_isready asks for no such user. */
function variableInList(check: HealthCheck, subject: Subject): readonly Finding[] {
  const variable = variableIn(check, subject);
  if (variable === undefined) return [];
  const isInUrl = check.words.some((word) => /^https?:\/\//.test(word) && word.includes(variable));
  return found(
    isInUrl ? 'error' : 'warning',
    'shell-in-list',
    check,
    `no shell runs in a CMD list: "${variable}" stays as it is written${isInUrl ? ', and the container is never healthy' : ''}`,
    ...corrected(check, subject),
  );
}

function corrected(check: HealthCheck, subject: Subject): string[] {
  return subject.isNode ? ours(check, subject) : [lineOf(repaired(check, subject), subject)];
}

const toolMissing = over((check, subject) => {
  const { image } = subject;
  if (!image || (image.file === undefined && !image.base)) return [];
  const isShell = check.isShell || shellText(check.words) !== undefined;
  if (isShell && has(image, 'sh') === false)
    return found(
      'error',
      'no-shell',
      check,
      `${image.base} has no shell, and ${check.isShell ? 'this form needs one' : `"${check.words[0]}" is one`}: every check fails`,
      ...ours(check, subject),
    );
  const missing = commandsOf(check)
    .map(([tool = '']) => tool)
    .find((tool) => has(image, tool) === false);
  if (missing === undefined) return [];
  const name = missing.split('/').at(-1) ?? missing;
  const why = `${name} is not in ${image.base}${image.file === undefined ? '' : ', and nothing in the Dockerfile brings it'}`;
  const fix = name === 'vitals-probe' ? [INSTALL] : ours(check, subject);
  return found('error', 'tool-missing', check, `${why}: every check fails`, ...fix);
});

export const FORM_RULES: readonly Rule[] = [shellInList, toolMissing];
