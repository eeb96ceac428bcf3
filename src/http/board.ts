import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { FastifyAdapter } from '@bull-board/fastify';
import type { Queue } from 'bullmq';
import type { Log } from '../fleet/ports.ts';
import type { App } from './app.ts';
import { sendError, toDetails, toErrorBody } from './error-reply.ts';

/** Adds the board's routes to an app under `prefix`. */
export type Board = (app: App, prefix: string) => void;

/**
 * Bull Board, to look at and nothing else. A button of its own that retries, promotes or removes a job could run a
 * delete whose release never succeeded (the database would refuse it, but nobody needs to try), so every method that
 * could write is refused before Bull Board sees it, and its queues are read-only besides.
 */
export function createBoard({ queues, log }: { queues: readonly Queue[]; log: Log }): Board {
  return (app, prefix) => {
    const serverAdapter = new FastifyAdapter();
    createBullBoard({
      queues: queues.map((queue) => new BullMQAdapter(queue, { readOnlyMode: true, allowRetries: false })),
      serverAdapter,
      options: { uiConfig: { boardTitle: 'drover queues', miscLinks: [{ text: 'Fleet', url: '/' }] } },
    });
    serverAdapter.setBasePath(prefix);
    // Bull Board's own handler would tell the browser what Redis said.
    serverAdapter.setErrorHandler((error) => {
      log.error({ err: error }, 'the board failed at a request');
      return { status: 500, body: { ...toErrorBody(toDetails(error)) } };
    });
    void app.register(
      async (scope) => {
        scope.addHook('onRequest', async (request, reply) => {
          void reply.header('content-security-policy', CONTENT_SECURITY_POLICY);
          if (request.method === 'GET' || request.method === 'HEAD') return undefined;
          return sendError(reply, READ_ONLY);
        });
        await scope.register(serverAdapter.registerPlugin(), { prefix: '' });
      },
      { prefix },
    );
  };
}

const READ_ONLY = {
  status: 405,
  code: 'read_only',
  message: 'The board only shows the queues.',
  hint: 'Change what the fleet does through /v1 or the drover command; a step that was lost is rung again by itself.',
} as const;

/** Bull Board's page brings inline styles and asks for fonts from elsewhere, which it does not get. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "base-uri 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');
