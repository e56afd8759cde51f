/**
 * Stage 6, ASK, the doctor: what can be wrong around a health check: who restarts, who is process 1, which port. Each rule
 * takes a subject and gives what it finds. Pure.
 */
import { askedBy, commandsOf, isProbe } from './command-line.js';
import { expand } from './dockerfile.js';
import { type Rule, found } from './rules-check.js';
import type { Subject } from './subject.js';
import type { Node } from './yaml.js';

const INITS = /(^|\/)(tini|dumb-init|catatonit|s6-svscan|init)$/;

const restart: Rule = (subject) => {
  const { node, isNode, name, file } = subject;
  if (!node || !isNode || node.get('deploy', 'restart_policy')) return [];
  const field = node.get('restart');
  const policy = field?.text;
  const place = { file, line: field?.line ?? node.line };
  if (policy === undefined || policy === 'no' || policy === 'false')
    return subject.isPart
      ? []
      : found(
          'warning',
          'restart-missing',
          place,
          `${name} has no restart policy: when its process ends, or ends itself because it hangs, it stays down`,
          'restart: always',
        );
  if (typeof subject.check !== 'object' || isCured(subject)) return [];
  const isOurs = commandsOf(subject.check).some(isProbe);
  return found(
    isOurs ? 'info' : 'error',
    'restart-on-unhealthy',
    place,
    `restart: ${policy} acts when the process ends, never because it is unhealthy: a hanging ${name} stays "running (unhealthy)" unless the process ends itself`,
    'recovery: { exit: true }   # in VitalsModule.forRoot(): it ends itself when only a restart helps',
    "labels: { autoheal: 'true' }   # or this, with an autoheal container that has the Docker socket",
  );
};

/** Something restarts it: autoheal, or a check that ends process 1 itself. */
function isCured({ node, check, others }: Subject): boolean {
  const heals = others.filter(({ node: other }) => /autoheal/.test(other?.get('image')?.text ?? ''));
  const isAll = heals.some(({ node: other }) =>
    /AUTOHEAL_CONTAINER_LABEL=?.*all/.test(allOf(other?.get('environment'))),
  );
  const words = typeof check === 'object' ? check.words.join(' ') : '';
  return isAll || /autoheal[=:]"?true/.test(allOf(node?.get('labels'))) || /\bkill\b/.test(words);
}

function allOf(node: Node | undefined): string {
  if (!node) return '';
  if (node.isList) return node.items.map(({ text }) => text).join('\n');
  return node.fields.map(([key, { text }]) => `${key}=${text}`).join('\n');
}

const init: Rule = ({ node, isNode, isPart, name, file, line, start, image }) => {
  const own = node?.get('init');
  if (!isNode || own?.text === 'true' || (isPart && !own)) return [];
  const [first = ''] = start ?? [];
  if (INITS.test(first)) return [];
  // compose says it; where only an image is judged, whoever starts it does.
  const at = { file, line: (node ? own?.line : image?.start?.line) ?? line };
  return found(
    node ? 'warning' : 'info',
    'init',
    at,
    `${describe(first)} is process 1 of ${name}: without an init nobody takes in ended children, and signals without a handler are lost`,
    node ? 'init: true' : 'docker run --init, or init: true in compose',
  );
};

function describe(first: string): string {
  const name = first.split('/').at(-1) ?? '';
  if (/^(npm|yarn|pnpm|npx)$/.test(name)) return `${name}, a package manager,`;
  if (/^(ba|a|da)?sh$/.test(name)) return 'a shell, which passes no SIGTERM on,';
  return name === '' ? 'the command' : name;
}

const ports: Rule = (subject) => {
  const { port, check, isNode, node, image, name, file } = subject;
  if (!isNode || port.value === undefined || !/^\d+$/.test(port.value)) return [];
  const severity = port.isGiven ? 'error' : 'warning';
  const where = port.isGiven
    ? `PORT is ${port.value} (${port.file}:${port.line})`
    : `without PORT it is ${port.value}`;
  const asked = typeof check === 'object' ? askedBy(check)?.port : undefined;
  const wrong = [];
  if (typeof check === 'object' && asked !== undefined && asked !== port.value)
    wrong.push(
      ...found(
        severity,
        'port',
        check,
        `the check asks port ${asked} and ${where}`,
        `port ${port.value}, or vitals-probe, which reads PORT`,
      ),
    );
  const targets = node ? targetsOf(node) : [];
  const [target] = targets;
  if (target && targets.every(({ value }) => value !== undefined && value !== port.value))
    wrong.push(
      ...found(
        severity,
        'port',
        { file, line: target.line },
        `the ports lead to ${target.value} in ${name} and ${where}`,
        `ports: ['${port.value}:${port.value}']`,
      ),
    );
  const exposes = image?.exposes ?? [];
  const [exposed] = exposes;
  if (exposed && image?.file && exposes.every(({ value }) => value !== port.value))
    wrong.push(
      ...found(
        'warning',
        'port',
        { file: image.file, line: exposed.line },
        `EXPOSE says ${exposed.value} and ${where}`,
        `EXPOSE ${port.value}`,
      ),
    );
  return wrong;
};

/** The container's side of each port; undefined where it is not known, or is a range. */
function targetsOf(node: Node): { value: string | undefined; line: number }[] {
  return (node.get('ports')?.items ?? []).flatMap((item) => {
    const long = item.get('target');
    if (long) return [{ value: long.text && number(long.text), line: long.line }];
    const [, last, protocol] = /(?:^|:)([^:{}]*\$\{[^}]*\}|[^:{}]*)(?:\/(\w+))?$/.exec(item.text ?? '') ?? [];
    return last === undefined || protocol === 'udp'
      ? []
      : [{ value: number(last.replace(/\/tcp$/, '')), line: item.line }];
  });
}

function number(text: string): string | undefined {
  const value = expand(text);
  return value !== undefined && /^\d+$/.test(value) ? value : undefined;
}

const dependsOn: Rule = ({ node, others, file, name }) => {
  const field = node?.get('depends_on');
  if (!field) return [];
  const waits: [string, string | undefined, number][] = field.isList
    ? field.items.map(({ text, line }) => [text ?? '', undefined, line])
    : field.fields.map(([key, value]) => [key, value.get('condition')?.text, value.line]);
  return waits.flatMap(([to, condition, line]) => {
    const isChecked = others.some((other) => other.name === to && typeof other.check === 'object');
    if (!isChecked || (condition !== undefined && condition !== 'service_started')) return [];
    return found(
      'info',
      'depends-on',
      { file, line },
      `${name} starts when ${to} has been started, not when it is healthy`,
      'depends_on:',
      `  ${to}: { condition: service_healthy }`,
    );
  });
};

export const SERVICE_RULES: readonly Rule[] = [restart, init, ports, dependsOn];
