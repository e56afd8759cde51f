/**
 * Stage 6, ASK, the doctor: what can be wrong around a health check: who restarts, who is process 1, which port. Each rule
 * takes a subject and gives what it finds. Pure.
 */
import { askedBy, commandsOf, isProbe, restartsByProbe } from './command-line.js';
import { expand } from './dockerfile.js';
import { lineOf, withPort } from './correction.js';
import { type Rule, found, isOurPath } from './rules-check.js';
import type { Subject } from './subject.js';
import type { Node } from './yaml.js';

const INITS = /(^|\/)(tini|dumb-init|catatonit|s6-svscan|init)$/;

const restart: Rule = (subject) => {
  const { node, isNode, name, file } = subject;
  if (!node || !isNode) return [];
  // Where both stand, Compose takes the one for Swarm.
  const swarms = node.get('deploy', 'restart_policy');
  const field = swarms ?? node.get('restart');
  const policy = swarms ? (swarms.get('condition')?.text ?? 'any') : field?.text;
  const place = { file, line: field?.line ?? node.line };
  if (policy === undefined || /^(no|none|false)$/.test(policy))
    return subject.isPart && !swarms
      ? []
      : found(
          'warning',
          'restart-missing',
          place,
          `${name} has no restart policy: when its process ends, or ends itself because it hangs, it stays down`,
          swarms ? 'condition: any' : 'restart: always',
        );
  const { check } = subject;
  if (typeof check !== 'object' || isCured(subject)) return [];
  const isOurs = commandsOf(check).some(isProbe) || isOurPath(askedBy(check)?.path ?? '');
  const stays = `a hanging ${name} stays "running (unhealthy)" unless the process ends itself`;
  return found(
    isOurs || swarms ? 'info' : 'error',
    'restart-on-unhealthy',
    place,
    swarms
      ? `Swarm replaces what is unhealthy, but with docker compose up a restart_policy acts when the process ends, never because it is unhealthy: ${stays}`
      : `restart: ${policy} acts when the process ends, never because it is unhealthy: ${stays}`,
    'recovery: { exit: true }   # in VitalsModule.forRoot(): it ends itself when only a restart helps',
    "labels: { autoheal: 'true' }   # or this, with an autoheal container that has the Docker socket",
  );
};

/** Something restarts it: autoheal, or a check that ends the service itself, as our probe does with --restart-after. */
function isCured({ node, check, others }: Subject): boolean {
  if (typeof check === 'object' && commandsOf(check).some(restartsByProbe)) return true;
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
        withPort(check, subject, port.value),
        `${lineOf({ ...check, isShell: false, words: ['vitals-probe'] }, subject)}   # or this, which reads PORT`,
      ),
    );
  const targets = node ? targetsOf(node, port.value) : [];
  const [target] = targets;
  if (target && targets.every(({ value }) => value !== undefined && value !== port.value))
    wrong.push(
      ...found(
        severity,
        'port',
        { file, line: target.line },
        `the ports lead to ${target.value} in ${name} and ${where}`,
        targets.length === 1 && target.fix.startsWith('- ') ? `ports: [${target.fix.slice(2)}]` : target.fix,
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

interface Target {
  /** The container's side; undefined where it is not known, or is a range. */
  readonly value: string | undefined;
  readonly line: number;
  /** The same mapping to the right port. The host's side is nobody's mistake. */
  readonly fix: string;
}

function targetsOf(node: Node, right: string): Target[] {
  return (node.get('ports')?.items ?? []).flatMap((item) => {
    const long = item.get('target');
    if (long) return [{ value: long.text && number(long.text), line: long.line, fix: `target: ${right}` }];
    const [all = '', last, protocol] =
      /(?:^|:)([^:{}]*\$\{[^}]*\}|[^:{}]*?)(?:\/(\w+))?$/.exec(item.text ?? '') ?? [];
    if (last === undefined || protocol === 'udp') return [];
    const before = (item.text ?? '').slice(0, -all.length) + (all.startsWith(':') ? ':' : '');
    const fix = `- '${before}${right}${protocol === undefined ? '' : `/${protocol}`}'`;
    return [{ value: number(last), line: item.line, fix }];
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
