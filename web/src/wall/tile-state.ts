/* What a tile says: the camera's own state and the picture's age, made into one of a few words. */

import type { Camera, Cause } from '../api/types';
import type { PictureStatus, StillsWhy } from '../player/picture';
import type { Key } from '../i18n';
import type { IconName } from '../ui/icons';

export type TileState =
  | { kind: 'live' }
  | { kind: 'behind'; ageMs: number | null }
  | { kind: 'small' }
  | { kind: 'stills'; takenMs: number | null; why: StillsWhy }
  | { kind: 'frozen'; takenMs: number | null }
  | { kind: 'connecting'; takenMs: number | null }
  /* isBrought: nobody brings it pictures; else somebody switched it off */
  | { kind: 'off'; by: string | null; isBrought?: boolean; cause?: Cause | null; sinceMs: number }
  | { kind: 'unreachable'; cause: Cause | null; sinceMs: number; nextTryMs: number | null; takenMs: number | null }
  | { kind: 'wrong-password'; sinceMs: number; mayFix: boolean }
  | { kind: 'unsupported'; cause: Cause | null }
  | { kind: 'not-now'; fromMs: number }
  | { kind: 'held-off'; why: string; by: string; sinceMs: number }
  | { kind: 'no-right' };

export type Tone = 'plain' | 'late' | 'bad' | 'held';

export const LOOKS: Record<TileState['kind'], { word: Key; icon: IconName; tone: Tone }> = {
  live: { word: 'state.live', icon: 'eye', tone: 'plain' },
  behind: { word: 'state.behind', icon: 'clock', tone: 'late' },
  small: { word: 'state.small', icon: 'small', tone: 'late' },
  stills: { word: 'state.stills', icon: 'picture', tone: 'late' },
  frozen: { word: 'state.frozen', icon: 'frozen', tone: 'late' },
  connecting: { word: 'state.connecting', icon: 'dots', tone: 'plain' },
  off: { word: 'state.off', icon: 'off', tone: 'held' },
  unreachable: { word: 'state.unreachable', icon: 'plug', tone: 'bad' },
  'wrong-password': { word: 'state.wrongPassword', icon: 'key', tone: 'bad' },
  unsupported: { word: 'state.unsupported', icon: 'question', tone: 'bad' },
  'not-now': { word: 'state.notNow', icon: 'clock', tone: 'held' },
  'held-off': { word: 'state.heldOff', icon: 'hold', tone: 'held' },
  'no-right': { word: 'state.noRight', icon: 'lock', tone: 'held' },
};

/* States in which the picture must not be on screen at all. */
export const hidesPicture = (state: TileState): boolean =>
  state.kind === 'no-right' || state.kind === 'not-now' || state.kind === 'held-off' || state.kind === 'off';

/* States that speak in the middle of the tile, over a dark veil. */
export const isVeiled = (state: TileState): boolean =>
  hidesPicture(state) || ['unreachable', 'wrong-password', 'unsupported'].includes(state.kind);

/* Moves, but so late that it could be taken for what it isn't: it loses its colours. */
const OLD_MS = 10_000;
export const isOld = (state: TileState): boolean => state.kind === 'behind' && (state.ageMs ?? 0) >= OLD_MS;

const takenOf = (picture: PictureStatus): number | null => ('takenMs' in picture ? picture.takenMs : null);

/*
 * A picture that moves is the better witness than a camera state that may be a moment old. A camera
 * that is `stopped` is one that nobody watches: asking for its picture, as a tile in view does, starts it.
 */
export function tileState(camera: Camera, picture: PictureStatus, mayFix: boolean): TileState {
  if (camera.not_now) return { kind: 'not-now', fromMs: Date.parse(camera.not_now.opens) };
  if (picture.kind === 'no-right') return { kind: 'no-right' };
  const sinceMs = Date.parse(camera.state_since);
  if (picture.kind === 'live') return { kind: 'live' };
  if (picture.kind === 'behind') return { kind: 'behind', ageMs: picture.ageMs };
  const takenMs = takenOf(picture);
  switch (camera.state) {
    case 'wrong_password':
      return { kind: 'wrong-password', sinceMs, mayFix };
    case 'unsupported':
      return { kind: 'unsupported', cause: camera.cause };
    case 'off':
      return { kind: 'off', by: null, isBrought: true, cause: camera.cause, sinceMs };
    case 'unreachable':
      return {
        kind: 'unreachable', cause: camera.cause, sinceMs, takenMs,
        nextTryMs: camera.next_try ? Date.parse(camera.next_try) : null,
      };
    default:
      break;
  }
  if (picture.kind === 'frozen') return { kind: 'frozen', takenMs: picture.takenMs };
  if (picture.kind === 'stills') return { kind: 'stills', takenMs, why: picture.why };
  return { kind: 'connecting', takenMs };
}

/* Whether there is a picture to ask for. */
export const hasPictures = (camera: Camera): boolean => camera.state !== 'off' && !camera.not_now;

/* Whether a person should have a look at it. */
export const needsAttention = (camera: Camera): boolean =>
  !camera.not_now && ['unreachable', 'wrong_password', 'unsupported'].includes(camera.state);
