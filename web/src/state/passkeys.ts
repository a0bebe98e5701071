/* Passkeys as the browser has them: asked for and used, in the words of docs/api.md. */

import { api, asProblem, Problem } from '../api/client';
import type { Passkey, PasskeyAsk, PasskeyOptions, PasskeyShown, ServerInfo, Session } from '../api/types';

/* Browsers have them where the connection is secure: over https, and on this machine. */
export const hasPasskeys = (): boolean => typeof PublicKeyCredential === 'function';

/* Do they work at this address? A passkey belongs to a name of the server. */
export const arePasskeysHere = (info: ServerInfo | null): boolean => hasPasskeys() && info?.passkeys?.here === true;

/* Where else: this page under the server's names, one of them this machine's own. */
export function otherDoors(info: ServerInfo | null): string[] {
  const isLocal = ['127.0.0.1', '[::1]'].includes(location.hostname);
  return (info?.passkeys?.names ?? [])
    .filter((name) => name !== location.hostname && (name === 'localhost' ? isLocal : location.protocol === 'https:'))
    .map((name) => `${location.protocol}//${name}${location.port && `:${location.port}`}`);
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const plain = atob(text.replace(/-/g, '+').replace(/_/g, '/'));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}

function textOf(bytes: ArrayBuffer): string {
  const plain = Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join('');
  return btoa(plain).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
}

const named = (list: { id: string }[]): PublicKeyCredentialDescriptor[] =>
  list.map(({ id }) => ({ type: 'public-key', id: bytesOf(id) }));

/* A person who says no, or whose device has none, is nobody's fault. */
function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (!(error instanceof DOMException)) return asProblem(error);
  if (error.name === 'InvalidStateError') return new Problem('passkey-there', 1, '');
  return new Problem(error.name === 'SecurityError' ? 'passkeys-need-a-name' : 'passkey-cancelled', 1, '');
}

async function make(name: string, options: PasskeyOptions): Promise<Passkey> {
  const made = await navigator.credentials.create({
    publicKey: {
      ...options,
      challenge: bytesOf(options.challenge),
      user: { ...options.user, id: bytesOf(options.user.id) },
      excludeCredentials: named(options.excludeCredentials),
    },
  });
  const { response } = made as PublicKeyCredential;
  return api.addPasskey({
    name,
    client_data: textOf(response.clientDataJSON),
    attestation: textOf((response as AuthenticatorAttestationResponse).attestationObject),
  });
}

export async function makePasskey(name: string): Promise<Passkey> {
  try {
    return await make(name, await api.passkeyOptions());
  } catch (error) {
    throw problemOf(error);
  }
}

async function show(
  ask: PasskeyAsk, how: Omit<CredentialRequestOptions, 'publicKey'>, send: (shown: PasskeyShown) => Promise<Session> = api.signInWithPasskey,
): Promise<Session> {
  const shown = await navigator.credentials.get({
    ...how,
    publicKey: { ...ask, challenge: bytesOf(ask.challenge), allowCredentials: named(ask.allowCredentials) },
  });
  const { rawId, response } = shown as PublicKeyCredential;
  const { clientDataJSON, authenticatorData, signature, userHandle } = response as AuthenticatorAssertionResponse;
  return send({
    credential: textOf(rawId),
    user_handle: userHandle ? textOf(userHandle) : '',
    client_data: textOf(clientDataJSON),
    authenticator_data: textOf(authenticatorData),
    signature: textOf(signature),
  });
}

export async function signInWithPasskey(): Promise<Session> {
  try {
    return await show(await api.passkeyAsk(), {});
  } catch (error) {
    throw problemOf(error);
  }
}

/* Who is signed in shows again who he is: the session goes on under another token. */
export async function showPasskeyAgain(): Promise<Session> {
  try {
    return await show(await api.passkeyAgainAsk(), {}, api.showPasskeyAgain);
  } catch (error) {
    throw problemOf(error);
  }
}

const RENEW_MS = 240_000; // the server waits five minutes for an answer

/* Offers passkeys in the name's own list of suggestions, until the returned function is called. */
export function offerPasskeys(onSession: (session: Session) => void, onProblem: (error: unknown) => void): () => void {
  let abort = new AbortController();
  let isOver = false;
  const offer = async () => {
    const mine = new AbortController();
    abort = mine;
    try {
      if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
      const ask = await api.passkeyAsk();
      if (mine.signal.aborted) return;
      onSession(await show(ask, { mediation: 'conditional', signal: mine.signal }));
    } catch (error) {
      if (mine.signal.aborted || !(error instanceof Problem) || error.status !== 401) return;
      onProblem(error);
      if (!isOver) void offer();
    }
  };
  void offer();
  const timer = setInterval(() => {
    abort.abort();
    void offer();
  }, RENEW_MS);
  return () => {
    isOver = true;
    clearInterval(timer);
    abort.abort();
  };
}
