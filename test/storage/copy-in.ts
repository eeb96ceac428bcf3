import type { Client, Connection } from 'pg';

/** What a connection also does, and its types leave out. */
interface CopyConnection extends Connection {
  query(statement: string): void;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}

/** Loads lines by COPY FROM STDIN; rejects with what PostgreSQL refuses them with. */
export function copyIn(client: Client, statement: string, lines: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const load = {
      submit: (connection: Connection) => (connection as CopyConnection).query(statement),
      handleCopyInResponse(connection: CopyConnection) {
        connection.sendCopyFromChunk(Buffer.from(lines));
        connection.endCopyFrom();
      },
      handleCommandComplete: () => undefined,
      handleError: reject,
      handleReadyForQuery: () => resolve(),
    };
    client.query(load);
  });
}
