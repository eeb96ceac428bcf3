import { ArmError, invalidContent, invalidParameter } from './arm-error.ts';
import { isObject, refuseUnknownFields } from './arm-body.ts';
import type { JsonObject } from './arm-body.ts';
import type { ArmSettings } from './arm-options.ts';
import type { Route } from './routes.ts';

export interface Match {
  route: Route;
  params: Record<string, string>;
}

/** Finds the route of a request. Refuses unknown paths with 404 and other methods on known ones with 405. */
export function createRouter(routes: readonly Route[]): (method: string, path: string) => Match {
  const compiled = routes.map((route) => ({ route, pattern: patternOf(route.path) }));
  return (method, path) => {
    const hits = compiled.flatMap(({ route, pattern }) => {
      const found = pattern.exec(path);
      return found === null ? [] : [{ route, params: decoded(found.groups ?? {}) }];
    });
    const match = hits.find((hit) => hit.route.method === method);
    if (match !== undefined) return match;
    if (hits.length === 0) {
      throw new ArmError(404, 'InvalidResourceType', {
        message: `The resource type of '${path}' could not be found in the namespaces that this emulator serves.`,
      });
    }
    throw new ArmError(405, 'HttpMethodNotAllowed', {
      message: `The http method '${method}' is not supported for '${path}'.`,
    });
  };
}

/** The query by lower-case name. Refuses a missing or unknown api-version and parameters the route does not have. */
export function checkedQuery(route: Route, url: URL): ReadonlyMap<string, string> {
  const query = new Map<string, string>();
  for (const [name, value] of url.searchParams) query.set(name.toLowerCase(), value);
  const version = query.get('api-version');
  if (version === undefined) {
    throw new ArmError(400, 'MissingApiVersionParameter', {
      message: 'The api-version query parameter (?api-version=) is required for all requests.',
    });
  }
  if (!route.apiVersions.includes(version)) {
    throw new ArmError(400, 'NoRegisteredProviderFound', {
      message: `No registered resource provider found for API version '${version}' of ${route.operation}. The supported api-versions are '${route.apiVersions.join(', ')}'.`,
    });
  }
  const known = new Set(['api-version', ...route.query.map((name) => name.toLowerCase())]);
  for (const name of query.keys()) {
    if (!known.has(name)) {
      throw invalidParameter(
        `The query parameter '${name}' of ${route.operation} is unknown or not emulated.`,
        name,
      );
    }
  }
  return query;
}

/** The body as an object. Refuses text that is no JSON object, unknown fields, and a body where none belongs. */
export function checkedBody(route: Route, text: string): JsonObject | undefined {
  if (text.trim() === '') {
    if (route.body?.isRequired === true) throw invalidContent('a body is required');
    return undefined;
  }
  if (route.body === undefined) throw invalidContent(`${route.operation} takes no body`);
  const parsed = parse(text);
  if (!isObject(parsed)) throw invalidContent('the body must be an object');
  refuseUnknownFields(parsed, route.body.fields, route.body.model);
  return parsed;
}

/** Refuses subscriptions, resource groups and locations other than the emulated ones. */
export function checkScope(params: Readonly<Record<string, string>>, settings: ArmSettings): void {
  const { subscription, group, location } = params as {
    subscription?: string;
    group?: string;
    location?: string;
  };
  if (subscription?.toLowerCase() !== settings.subscriptionId.toLowerCase()) {
    throw new ArmError(404, 'SubscriptionNotFound', {
      message: `The subscription '${subscription ?? ''}' could not be found.`,
    });
  }
  if (group !== undefined && group.toLowerCase() !== settings.resourceGroup.toLowerCase()) {
    throw new ArmError(404, 'ResourceGroupNotFound', {
      message: `Resource group '${group}' could not be found.`,
    });
  }
  if (location !== undefined && location.toLowerCase() !== settings.location) {
    throw new ArmError(400, 'LocationNotAvailableForResourceType', {
      message: `The provided location '${location}' is not available. List of available regions is '${settings.location}'.`,
    });
  }
}

function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{(\w+)\}/g, '(?<$1>[^/]+)')}/?$`, 'i');
}

function decoded(groups: Record<string, string>): Record<string, string> {
  try {
    return Object.fromEntries(
      Object.entries(groups).map(([name, value]) => [name, decodeURIComponent(value)]),
    );
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    throw new ArmError(400, 'InvalidRequestUri', { message: 'The request URI is not encoded well.' });
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalidContent(error instanceof Error ? error.message : 'it is not JSON');
  }
}
