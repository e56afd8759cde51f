/**
 * Two network namespaces joined by a cable: the peers live in one, the process under test in the other, so that the
 * kernel's counters there are of its side alone. On loopback each reset would be counted on both sides.
 */
import { spawnSync } from 'node:child_process';

import { run } from '../tool/pack.mjs';

/** Why no namespace can be made here; `null` where it can. */
export function obstacle() {
  if (process.platform !== 'linux') return 'network namespaces are for Linux';
  if (process.getuid() !== 0) return 'only root makes network namespaces';
  const name = `vitals-${process.pid}-try`;
  const { status, error, stderr } = spawnSync('ip', ['netns', 'add', name], { encoding: 'utf8' });
  if (status !== 0) return `ip netns add: ${error?.message ?? stderr.trim()}`;
  ip(`netns del ${name}`);
  return null;
}

/** A pair of namespaces of its own, with the addresses in it and the way into each. */
export function newNetwork(index) {
  const name = `vitals-${process.pid}-${index}`;
  const sides = { peer: `${name}-peer`, ours: `${name}-ours` };
  const addresses = { peer: '10.213.0.1', ours: '10.213.0.2' };
  const address = (verb, side) => ip(`-n ${sides[side]} addr ${verb} ${addresses[side]}/24 dev cable`);
  for (const side of Object.values(sides)) ip(`netns add ${side}`);
  ip(`link add cable netns ${sides.peer} type veth peer name cable netns ${sides.ours}`);
  for (const [side, namespace] of Object.entries(sides)) {
    address('add', side);
    for (const device of ['lo', 'cable']) ip(`-n ${namespace} link set ${device} up`);
  }
  let isThere = true;
  const remove = () => {
    if (isThere) for (const namespace of Object.values(sides)) ip(`netns del ${namespace}`);
    isThere = false;
  };
  // They outlive the process that made them.
  process.once('exit', remove);
  return {
    addresses,
    /** The command that runs `command` on that side. */
    on: (side, command) => ['nsenter', `--net=/run/netns/${sides[side]}`, ...command],
    /** From then on that side takes what comes for it without a word, as a host does that has crashed behind a switch. */
    vanish: (side) => {
      const other = side === 'peer' ? 'ours' : 'peer';
      const { address: mac } = linkOf(sides[side]);
      ip(`-n ${sides[other]} neigh replace ${addresses[side]} lladdr ${mac} nud permanent dev cable`);
      address('del', side);
    },
    reappear: (side) => address('add', side),
    remove,
  };
}

function linkOf(namespace) {
  const { stdout } = spawnSync('ip', ['-n', namespace, '-j', 'link', 'show', 'cable'], { encoding: 'utf8' });
  return JSON.parse(stdout)[0];
}

function ip(words) {
  run('ip', words.split(' '), '/');
}
