/**
 * Stage 6, ASK, the doctor: the command `vitals doctor`. Reads a compose file and a Dockerfile and prints what in them keeps
 * a health check from doing its work; it starts nothing and changes nothing.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expand, readDockerfile } from './dockerfile.js';
import { type Finding, SEVERITIES, text, tidy } from './finding.js';
import { type Image, imageOf } from './image.js';
import { CHECK_RULES } from './rules-check.js';
import { FORM_RULES } from './rules-form.js';
import { SERVICE_RULES } from './rules-service.js';
import { type Subject, subjectOf, subjectsOf } from './subject.js';
import { type Node, YamlError, readYaml } from './yaml.js';

export interface Outcome {
  readonly text: string;
  /** 0: no error. 1: errors. 2: it could not be looked at. */
  readonly code: 0 | 1 | 2;
}

const COMPOSE_NAMES = ['compose.yaml', 'compose.yml', 'docker-compose.yaml', 'docker-compose.yml'];
const USAGE = 'doctor takes [compose.yml] [Dockerfile] [--json]';

/** Looks at what the command line names, or at what the folder has. Never throws. */
export function doctor(args: readonly string[]): Outcome {
  try {
    const { isJson, compose, dockerfile } = readArguments(args);
    const { findings, files } = examine(compose, dockerfile);
    const errors = findings.filter(({ severity }) => severity === 'error').length;
    const code = errors > 0 ? 1 : 0;
    return {
      text: isJson
        ? `${JSON.stringify({ files, findings, ...sums(findings) }, null, 2)}\n`
        : text(findings, files),
      code,
    };
  } catch (error) {
    return { text: `vitals: ${error instanceof Error ? error.message : String(error)}\n`, code: 2 };
  }
}

interface Arguments {
  readonly isJson: boolean;
  readonly compose: string | undefined;
  readonly dockerfile: string | undefined;
}

function readArguments(args: readonly string[]): Arguments {
  const flag = args.find((one) => one.startsWith('-') && one !== '--json');
  if (flag !== undefined) throw new Error(`unknown flag "${flag}": ${USAGE}`);
  const names = args.filter((one) => one !== '--json');
  const isCompose = (name: string): boolean => /\.ya?ml$/i.test(name);
  const [composes, dockerfiles] = [names.filter(isCompose), names.filter((name) => !isCompose(name))];
  if (composes.length > 1 || dockerfiles.length > 1) throw new Error(`${USAGE}, one of each`);
  const isJson = names.length < args.length;
  if (names.length > 0) return { isJson, compose: composes[0], dockerfile: dockerfiles[0] };
  const compose = COMPOSE_NAMES.find((name) => existsSync(name));
  const dockerfile = existsSync('Dockerfile') ? 'Dockerfile' : undefined;
  if (!compose && !dockerfile)
    throw new Error(`there is no compose file and no Dockerfile in ${process.cwd()}; ${USAGE}`);
  return { isJson, compose, dockerfile };
}

function examine(
  compose: string | undefined,
  dockerfile: string | undefined,
): { findings: Finding[]; files: string[] } {
  const subjects: Subject[] = [];
  const used = new Set<string>();
  if (compose !== undefined) {
    const root = parse(compose);
    const fields = root.get('services')?.fields ?? [['', root] as const];
    const built = fields.filter(([, node]) => node.get('build') ?? !node.get('image')).length;
    subjects.push(
      ...subjectsOf(root, compose, (node) => {
        const file = fileFor(node, { compose, dockerfile, built });
        if (file === undefined) return undefined;
        used.add(resolve(file));
        return image(file, node.get('build', 'target')?.text);
      }),
    );
  }
  if (dockerfile !== undefined && !used.has(resolve(dockerfile)))
    subjects.push(subjectOf(image(dockerfile, undefined), dockerfile));
  const rules = [...FORM_RULES, ...CHECK_RULES, ...SERVICE_RULES];
  const findings = tidy(subjects.flatMap((subject) => rules.flatMap((rule) => rule(subject))));
  const files = [compose, ...[...used].map((path) => relative('', path)), dockerfile];
  return { findings, files: [...new Set(files.filter((file) => file !== undefined))] };
}

interface Given {
  readonly compose: string;
  readonly dockerfile: string | undefined;
  /** How many services are built. */
  readonly built: number;
}

/** The Dockerfile of a service: the one it names, or the one given where that can only be meant for it. */
function fileFor(node: Node, { compose, dockerfile, built }: Given): string | undefined {
  const build = node.get('build');
  if (node.get('image') && !build) return undefined;
  if (!build || (dockerfile !== undefined && built === 1)) return built === 1 ? dockerfile : undefined;
  if (build.get('dockerfile_inline')) return undefined;
  const context = expand(build.text ?? build.get('context')?.text ?? '.');
  const name = expand(build.get('dockerfile')?.text ?? 'Dockerfile');
  if (context === undefined || name === undefined || /^\w+:\/\//.test(context)) return dockerfile;
  const path = resolve(dirname(compose), context, name);
  return existsSync(path) ? relative('', path) : dockerfile;
}

function parse(file: string): Node {
  try {
    const root = readYaml(read(file));
    if (!root.isMap) throw new YamlError(1, 'it is no map of services');
    return root;
  } catch (error) {
    if (!(error instanceof YamlError)) throw error;
    throw new Error(`${file}:${error.line}: ${error.message}`, { cause: error });
  }
}

function image(file: string, target: string | undefined): Image {
  const stages = readDockerfile(read(file));
  const named = target && stages.find(({ name }) => name === target.toLowerCase());
  const stage = named || stages.at(-1);
  if (!stage) throw new Error(`${file}:1: there is no FROM in it`);
  return imageOf(stage, file);
}

function read(file: string): string {
  try {
    return readFileSync(join(file), 'utf8');
  } catch (error) {
    throw new Error(`cannot read ${file}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`, {
      cause: error,
    });
  }
}

function sums(findings: readonly Finding[]): Record<string, number> {
  return Object.fromEntries(
    SEVERITIES.map((one) => [one, findings.filter(({ severity }) => severity === one).length]),
  );
}
