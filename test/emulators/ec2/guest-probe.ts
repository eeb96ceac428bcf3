import { connect } from 'node:net';

export interface GuestAddress {
  address: string;
  port: number;
}

/** Whether a TCP connection can be made, as a readiness probe would find out. */
export function answersTcp({ address, port }: GuestAddress): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: 1000 });
    const end = (answers: boolean): void => {
      socket.destroy();
      resolve(answers);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
    socket.once('timeout', () => end(false));
  });
}

/** What the guest says over HTTP. */
export async function askGuest({ address, port }: GuestAddress): Promise<unknown> {
  const response = await fetch(`http://${address}:${port}/`, { headers: { connection: 'close' } });
  return response.json();
}
