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
  ip('netns', 'del', name);
  return null;
}

/** A pair of namespaces of its own, with the addresses in it and the way into each. */
export function newNetwork(index) {
  const name = `vitals-${process.pid}-${index}`;
  const sides = { peer: `${name}-peer`, ours: `${name}-ours` };
  const addresses = { peer: '10.213.0.1', ours: '10.213.0.2' };
  for (const side of Object.values(sides)) ip('netns', 'add', side);
  ip(
    'link',
    'add',
    'cable',
    'netns',
    sides.peer,
    'type',
    'veth',
    'peer',
    'name',
    'cable',
    'netns',
    sides.ours,
  );
  for (const [side, namespace] of Object.entries(sides)) {
    ip('-n', namespace, 'addr', 'add', `${addresses[side]}/24`, 'dev', 'cable');
    for (const device of ['lo', 'cable']) ip('-n', namespace, 'link', 'set', device, 'up');
  }
  let isThere = true;
  const remove = () => {
    if (isThere) for (const namespace of Object.values(sides)) ip('netns', 'del', namespace);
    isThere = false;
  };
  // They outlive the process that made them.
  process.once('exit', remove);
  return {
    addresses,
    /** The command that runs `command` on that side. */
    on: (side, command) => ['nsenter', `--net=/run/netns/${sides[side]}`, ...command],
    remove,
  };
}

function ip(...args) {
  run('ip', args, '/');
}
