/*
 * How many endless answers may be open at once. Over HTTP/2 any number shares one connection. Over
 * HTTP/1.1 a browser opens six connections to a host over all its tabs; five of them may carry
 * streams and events, so that one is always free for everything else. Tabs agree by Web Locks.
 */

const PLACES = 5;
export const STREAM_PLACES = PLACES - 1; // the events take one
const TRY_AGAIN_MS = 1_500;

export type Release = () => void;

export function isMultiplexed(): boolean {
  const [entry] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[];
  const protocol = entry?.nextHopProtocol ?? '';
  return protocol === '' ? location.protocol === 'https:' : protocol !== 'http/1.1' && protocol !== 'http/1.0';
}

/* In words for people: what this page came by. */
export function protocolName(): string {
  const [entry] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[];
  const names: Record<string, string> = { h2: 'HTTP/2', h3: 'HTTP/3', 'http/1.1': 'HTTP/1.1' };
  return names[entry?.nextHopProtocol ?? ''] ?? (isMultiplexed() ? 'HTTP/2' : 'HTTP/1.1');
}

/* Takes lock `name` if nobody holds it; the lock is held until the release is called. */
function tryLock(name: string): Promise<Release | null> {
  return new Promise((resolve, reject) => {
    navigator.locks
      .request(name, { ifAvailable: true }, (lock) => {
        if (!lock) {
          resolve(null);
          return undefined;
        }
        return new Promise<void>((release) => resolve(release));
      })
      .catch(reject);
  });
}

let heldHere = 0; // where there are no Web Locks, at least this tab keeps to the limit

async function tryPlace(): Promise<Release | null> {
  if (!navigator.locks) {
    if (heldHere >= PLACES) return null;
    heldHere++;
    return () => heldHere--;
  }
  for (let n = 0; n < PLACES; n++) {
    const release = await tryLock(`casement-connection-${n}`);
    if (release) return release;
  }
  return null;
}

/*
 * Calls `onPlace` with a release once there is a place, `onFull` when there is none at first.
 * Returns a function that stops waiting; a place that was handed over is the caller's to release.
 */
export function waitForPlace(onPlace: (release: Release) => void, onFull: () => void): () => void {
  if (isMultiplexed()) {
    onPlace(() => undefined);
    return () => undefined;
  }
  let isOver = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const attempt = async () => {
    const release = await tryPlace();
    if (isOver) release?.();
    else if (release) onPlace(release);
    else {
      onFull();
      timer = setTimeout(attempt, TRY_AGAIN_MS);
    }
  };
  void attempt();
  return () => {
    isOver = true;
    clearTimeout(timer);
  };
}
