import { findProgram } from '../embedded/find-program.ts';

export interface Tools {
  spin: string;
  compiler: string;
}

const COMPILERS = ['cc', 'gcc', 'clang'] as const;

/** Finds spin and a C compiler on a search path; a sentence that says what to install where one is absent. */
export async function findTools(searchPath: string): Promise<Tools | string> {
  const spin = await findOne(['spin'], searchPath);
  const compiler = await findOne(COMPILERS, searchPath);
  if (spin !== undefined && compiler !== undefined) return { spin, compiler };
  const absent = [
    ...(spin === undefined ? ['spin, the model checker (Debian package: spin)'] : []),
    ...(compiler === undefined ? ['a C compiler (Debian package: gcc)'] : []),
  ];
  const packages = [...(spin === undefined ? ['spin'] : []), ...(compiler === undefined ? ['gcc'] : [])];
  return `the models cannot be checked without ${absent.join(' and ')}: apt-get install ${packages.join(' ')}`;
}

async function findOne(names: readonly string[], searchPath: string): Promise<string | undefined> {
  for (const name of names) {
    const found = await findProgram(name, searchPath);
    if (found !== undefined) return found;
  }
  return undefined;
}
