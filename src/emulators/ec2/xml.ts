/** What an answer can hold: a list becomes `<item>` elements, undefined leaves its element out. */
export type XmlValue = string | number | boolean | Date | undefined | readonly XmlValue[] | XmlFields;

export interface XmlFields {
  readonly [name: string]: XmlValue;
}

const NAMESPACE = 'http://ec2.amazonaws.com/doc/2016-11-15/';

/** The document of an action that succeeded. */
export function successDocument(action: string, requestId: string, answer: XmlFields): string {
  const inner = children({ requestId, ...answer });
  return `${PROLOGUE}<${action}Response xmlns="${NAMESPACE}">${inner}</${action}Response>`;
}

/** The document of an action that was refused. */
export function errorDocument(requestId: string, error: { code: string; message: string }): string {
  const inner = element('Error', { Code: error.code, Message: error.message });
  return `${PROLOGUE}<Response><Errors>${inner}</Errors>${element('RequestID', requestId)}</Response>`;
}

const PROLOGUE = '<?xml version="1.0" encoding="UTF-8"?>\n';

function element(name: string, value: XmlValue): string {
  return value === undefined ? '' : `<${name}>${content(value)}</${name}>`;
}

function content(value: Exclude<XmlValue, undefined>): string {
  if (value instanceof Date) return value.toISOString();
  if (isList(value)) return value.map((each) => element('item', each)).join('');
  if (typeof value === 'object') return children(value);
  return escape(String(value));
}

function isList(value: Exclude<XmlValue, undefined>): value is readonly XmlValue[] {
  return Array.isArray(value);
}

function children(fields: XmlFields): string {
  return Object.entries(fields)
    .map(([name, value]) => element(name, value))
    .join('');
}

function escape(value: string): string {
  return value
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
