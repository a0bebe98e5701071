/*
 * One home's cameras and who watches them, kept up to date by server-sent events. Where the browser
 * has no connection left for events (HTTP/1.1, several tabs), the cameras are asked for instead.
 */

import { api, asProblem, eventsPath } from '../api/client';
import type { Camera, Home, Viewer } from '../api/types';
import { waitForPlace, type Release } from '../player/slots';
import { clock } from './clock';
import { doubt, noteHeld } from './session';
import { createStore } from './store';

const POLL_MS = 5_000;
const RECONNECT_MS = 2_000;

export class HomeData {
  readonly cameras = createStore<Camera[] | null>(null);
  readonly viewers = createStore<ReadonlyMap<string, Viewer[]>>(new Map());
  readonly gone = createStore<ReadonlySet<string>>(new Set()); // shown before, not ours any more
  readonly isReachable = createStore(true);

  private readonly toldAt = new Map<string, number>(); // when an event told of a camera last
  private source: EventSource | null = null;
  private release: Release | null = null;
  private stopWaiting: Release | null = null;
  private poll: ReturnType<typeof setInterval> | undefined;
  private reconnect: ReturnType<typeof setTimeout> | undefined;
  private isOver = false;

  constructor(readonly home: string) {}

  open(): void {
    this.isOver = false;
    void this.load();
    this.connect();
  }

  close(): void {
    this.isOver = true;
    clearTimeout(this.reconnect);
    this.dropConnection();
  }

  async load(): Promise<void> {
    const askedAt = performance.now();
    try {
      const cameras = (await api.cameras(this.home)).map((camera) => this.latest(camera, askedAt));
      const ids = new Set(cameras.map((camera) => camera.id));
      for (const camera of this.cameras.get() ?? []) if (!ids.has(camera.id)) this.noteGone(camera.id);
      this.gone.update((gone) => new Set([...gone].filter((id) => !ids.has(id))));
      const kept = (this.cameras.get() ?? []).filter((camera) => this.gone.get().has(camera.id));
      this.cameras.set([...cameras, ...kept]);
      this.isReachable.set(true);
    } catch (error) {
      this.isReachable.set(asProblem(error).name_ === 'home-suspended');
    }
  }

  /* Asks for something whose answer is a camera, and takes it in. */
  async take(ask: () => Promise<Camera>): Promise<void> {
    const askedAt = performance.now();
    this.put(this.latest(await ask(), askedAt));
  }

  /* An event may overtake the answer to what was asked before: its state is the later one. */
  private latest(answer: Camera, askedAt: number): Camera {
    const known = this.cameras.get()?.find((camera) => camera.id === answer.id);
    if (!known || (this.toldAt.get(answer.id) ?? -Infinity) < askedAt) return answer;
    const { state, state_since, cause, next_try, streams, rights, not_now } = known;
    return { ...answer, state, state_since, cause, next_try, streams, rights, not_now };
  }

  private put(camera: Camera): void {
    this.gone.update((gone) => new Set([...gone].filter((id) => id !== camera.id)));
    this.cameras.update((cameras) => {
      const rest = cameras ?? [];
      const at = rest.findIndex((other) => other.id === camera.id);
      return at < 0 ? [...rest, camera] : rest.map((other, n) => (n === at ? camera : other));
    });
  }

  /* Takes the camera's tile off the wall. */
  forget(id: string): void {
    this.cameras.update((cameras) => (cameras ?? []).filter((camera) => camera.id !== id));
    this.gone.update((gone) => new Set([...gone].filter((other) => other !== id)));
  }

  noteGone(id: string): void {
    if (!(this.cameras.get() ?? []).some((camera) => camera.id === id)) return;
    this.gone.update((gone) => new Set([...gone, id]));
  }

  private connect(): void {
    this.stopWaiting = waitForPlace(
      (release) => {
        this.release = release;
        clearInterval(this.poll);
        this.listen();
      },
      () => {
        clearInterval(this.poll);
        this.poll = setInterval(() => void this.load(), POLL_MS);
      },
    );
  }

  private dropConnection(): void {
    this.stopWaiting?.();
    this.stopWaiting = null;
    clearInterval(this.poll);
    this.source?.close();
    this.source = null;
    this.release?.();
    this.release = null;
  }

  private listen(): void {
    const source = new EventSource(eventsPath(this.home));
    this.source = source;
    const on = <T>(name: string, handle: (data: T) => void) =>
      source.addEventListener(name, (event) => handle(JSON.parse((event as MessageEvent<string>).data) as T));
    on<{ server_time: string }>('hello', ({ server_time }) => {
      const now = performance.now();
      if (clock.now() === null) clock.sample(Date.parse(server_time), now, now);
      this.isReachable.set(true);
      void this.load(); // what happened between the list and the first event
    });
    on<Camera>('camera', (camera) => {
      if (camera.home !== this.home) return;
      this.toldAt.set(camera.id, performance.now());
      this.put(camera);
    });
    on<{ home: string; id: string }>('camera-gone', ({ home, id }) => home === this.home && this.noteGone(id));
    on<{ home: string; suspended: Home['suspended'] }>('home', ({ home, suspended }) => {
      if (noteHeld(home, suspended ?? null) && !suspended) void this.load();
    });
    on<{ home: string; id: string; viewers: Viewer[] }>('viewers', ({ home, id, viewers }) => {
      if (home === this.home) this.viewers.update((map) => new Map(map).set(id, viewers));
    });
    on('session-ended', () => {
      void doubt();
      this.reconnectLater();
    });
    source.onerror = () => {
      void this.load();
      this.reconnectLater();
    };
  }

  private reconnectLater(): void {
    this.dropConnection();
    clearTimeout(this.reconnect);
    if (!this.isOver) this.reconnect = setTimeout(() => this.connect(), RECONNECT_MS);
  }
}
