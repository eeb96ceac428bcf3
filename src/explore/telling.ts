const GIVEN = [
  ...['machine', 'batch', 'lease', 'lane', 'id', 'step', 'kind', 'verb', 'outcome', 'token'],
  ...['inDoubt', 'replaySafe', 'by'],
];

/** The few words of an act's arguments that a trace shows. */
export function tellGiven(given: unknown): string {
  if (typeof given !== 'object' || given === null) return isWord(given) ? String(given) : '';
  return told(given, GIVEN).join(' ');
}

const ANSWERED = ['granted', 'created', 'state', 'intentKind', 'owed', 'token', 'recorded', 'ended'];

/** The few words of an act's answer that a trace shows. */
export function tellAnswer(answer: unknown): string {
  if (Array.isArray(answer)) return `[${answer.map(idOf).join(' ')}]`;
  if (typeof answer !== 'object' || answer === null) return isWord(answer) ? String(answer) : 'nothing';
  const fields = fieldsOf(answer);
  const nested = [fields.get('machine'), fields.get('lease')].filter(
    (each) => typeof each === 'object' && each !== null,
  );
  return [...told(answer, ANSWERED), ...nested.map(tellAnswer)].join(' ');
}

function fieldsOf(value: object): Map<string, unknown> {
  return new Map<string, unknown>(Object.entries(value));
}

function told(value: object, names: readonly string[]): string[] {
  const fields = fieldsOf(value);
  return names.flatMap((name) => {
    const word = fields.get(name);
    return isWord(word) ? `${name}=${word}` : [];
  });
}

function idOf(value: unknown): string {
  const id = typeof value === 'object' && value !== null ? fieldsOf(value).get('id') : value;
  return isWord(id) ? String(id) : '?';
}

function isWord(value: unknown): value is string | number | boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}
