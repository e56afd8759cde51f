/**
 * One process: one Nest, loaded in one way, through the suites. Told by its environment what to run; its last line is
 * the result as JSON. `run.mjs` starts it.
 */
import { createRequire } from 'node:module';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Tally } from './tally.mjs';
import { testHosts } from './suites/hosts.mjs';
import { testProcesses } from './suites/processes.mjs';
import { testServers } from './suites/servers.mjs';
import { testTerminus } from './suites/terminus.mjs';
import { testWiring } from './suites/wiring.mjs';

const { FOLDER: folder, FORMAT: format, ONLY: only } = process.env;
const ADAPTERS = ['express', 'fastify'];

const requireThere = createRequire(join(folder, 'package.json'));
const nest = {
  ...(await load()),
  node: { Socket },
  format,
  major: Number(requireThere('@nestjs/core/package.json').version.split('.')[0]),
};
const tally = new Tally(`nest${nest.major} ${format} node${process.versions.node.split('.')[0]}`, only);

for (const adapter of ADAPTERS) {
  await testHosts(nest, tally, { adapter, folder });
  await testServers(nest, tally, { adapter, folder });
  await testWiring(nest, tally, { adapter });
  await testTerminus(nest, tally, { adapter });
}
await testProcesses(nest, tally, { folder });

// A claim that failed may have left a server open. That processes end by themselves is a claim of its own.
const result = JSON.stringify({ passed: tally.passed, failures: tally.failures });
process.stdout.write(`\n${result}\n`, () => process.exit(0));

function load() {
  if (format === 'cjs') return requireThere('./load.cjs');
  return import(pathToFileURL(join(folder, 'load.mjs')).href);
}
