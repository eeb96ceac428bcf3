import { posix } from 'node:path';

export interface House {
  /** Whether a path from the root exists. */
  exists: (path: string) => boolean;
  /** The names of npm scripts. */
  scripts: readonly string[];
}

const LINK = /\]\(([^)\s]+)\)/g;
const INLINE_CODE = /`([^`\n]+)`/g;
const SCRIPT = /\bnpm (?:run ([\w:-]+)|(start|test)\b)/g;
/** A word in code that begins like this means one of our files. */
const OWN_PATH = /^(\.\/|\.ci\/)|^(src|test|scripts|docs|examples|integrations|deploy|bench|spec|runtime)\//;
const PLACEHOLDER = /[*<>{}…]|\.\.\./;

/** Paths and npm scripts that a document names and that do not exist, as it writes them. */
export function findBrokenReferences(text: string, house: House): string[] {
  const links = [...text.matchAll(LINK)].map(([, target = '']) => target).filter(isRelative);
  const named = [...text.matchAll(INLINE_CODE)]
    .flatMap(([, code = '']) => code.split(/\s+/))
    .filter((word) => OWN_PATH.test(word));
  const paths = [...links, ...named].filter((path) => !PLACEHOLDER.test(path) && !house.exists(fileOf(path)));
  const scripts = [...text.matchAll(SCRIPT)]
    .filter(([, run, short]) => !house.scripts.includes(run ?? short ?? ''))
    .map(([whole]) => whole);
  return [...new Set([...paths, ...scripts])];
}

function isRelative(target: string): boolean {
  return !/^([a-z][a-z+.-]*:|#|\/)/i.test(target);
}

/** Without the place in it: an anchor, or a line number. */
function fileOf(path: string): string {
  return posix.normalize(path.replace(/[#?].*$/, '').replace(/(:\d+)+$/, '')).replace(/[/.,;]+$/, '');
}
