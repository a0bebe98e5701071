/* A camera's tile: picture, name, who watches, and, unless it is live, what is the matter. */

import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { clockTime, duration, relative, shortTime, t, type Key } from '../i18n';
import type { StillsWhy } from '../player/picture';
import { clock } from '../state/clock';
import { useTick } from '../state/store';
import { announce } from '../ui/announce';
import { Icon } from '../ui/icons';
import { hidesPicture, isOld, isVeiled, LOOKS, type TileState } from './tile-state';

const now = (): number => clock.now() ?? Date.now();

/* The words of states that leave the picture in view: one line at its edge. */
function chipText(state: TileState): string {
  switch (state.kind) {
    case 'behind':
      return state.ageMs === null ? t('tile.ageUnknown') : t('tile.behind', { duration: duration(state.ageMs) });
    case 'small':
      return t('tile.small');
    case 'stills':
      return state.takenMs === null ? t('tile.connecting') : t('tile.stills', { time: clockTime(state.takenMs, now()) });
    case 'frozen':
      return state.takenMs === null ? t('tile.frozenUndated')
        : t('tile.frozen', { time: clockTime(state.takenMs, now()), ago: relative(state.takenMs - now()) });
    case 'connecting':
      return state.takenMs === null ? t('tile.connecting')
        : t('tile.connectingDated', { time: clockTime(state.takenMs, now()) });
    default:
      return t(LOOKS[state.kind].word);
  }
}

function nextTry(atMs: number | null): string {
  if (atMs === null) return '';
  const left = atMs - now();
  return left < 1_000 ? t('tile.trying') : t('tile.nextTry', { duration: duration(Math.max(10_000, Math.round(left / 1000) * 1000)) });
}

/* The sentences of states that speak in the middle: what, and what to do or wait for. */
function sentences(state: TileState): [string, string, string?] {
  switch (state.kind) {
    case 'off':
      if (state.isBrought)
        return [
          t('tile.notBrought'),
          state.cause ? t(`cause.${state.cause}.what`) : t('tile.notBroughtSince', { time: shortTime(state.sinceMs, now()) }),
        ];
      return [t('tile.off'), state.by
        ? t('tile.offBy', { name: state.by, time: shortTime(state.sinceMs, now()) })
        : t('tile.offSince', { time: shortTime(state.sinceMs, now()) })];
    case 'unreachable':
      return [
        t('tile.unreachable', { time: shortTime(state.sinceMs, now()) }),
        state.cause ? t(`cause.${state.cause}.what`) : '',
        [
          nextTry(state.nextTryMs),
          state.takenMs === null ? '' : t('tile.stills', { time: clockTime(state.takenMs, now()) }),
        ].filter(Boolean).join(' · '),
      ];
    case 'wrong-password':
      return [t('tile.wrongPassword', { time: shortTime(state.sinceMs, now()) }), state.mayFix ? '' : t('tile.askOwner')];
    case 'unsupported':
      return [t('tile.unsupported'), state.cause ? t(`cause.${state.cause}.fix`) : ''];
    case 'not-now':
      return [t('tile.notNow'), t('tile.notNowFrom', { time: shortTime(state.fromMs, now()) })];
    case 'held-off':
      return [t('tile.heldOff'), t('tile.heldOffWhy', {
        why: state.why, name: state.by, time: shortTime(state.sinceMs, now()),
      })];
    default:
      return [t('tile.noRight'), t('tile.noRightHow')];
  }
}

/* One sentence for screen readers and labels. */
export function spokenState(state: TileState): string {
  return isVeiled(state) ? sentences(state).filter(Boolean).join('. ') : chipText(state);
}

export const WHY_STILLS: Record<StillsWhy, Key> = {
  connections: 'tile.stillsConnections', 'no-mse': 'tile.stillsBrowser', codec: 'tile.stillsCodec',
};

export function StateChip({ state }: { state: TileState }) {
  useTick(['frozen', 'unreachable'].includes(state.kind) ? 1_000 : null);
  if (state.kind === 'live' || isVeiled(state)) return null;
  const { icon, tone } = LOOKS[state.kind];
  const title = state.kind === 'stills' ? t(WHY_STILLS[state.why]) : undefined;
  return (
    <div class={`chip tone-${tone}`} title={title}>
      <Icon name={icon} size={16} />
      <span>{chipText(state)}</span>
    </div>
  );
}

export function Veil({ state, action }: { state: TileState; action?: ComponentChildren }) {
  useTick(state.kind === 'unreachable' ? 1_000 : null);
  if (!isVeiled(state)) return null;
  const { icon, tone } = LOOKS[state.kind];
  const [what, more, last] = sentences(state);
  return (
    <div class={`veil tone-${tone}`}>
      <span class="veil-icon"><Icon name={icon} size={24} /></span>
      <p class="veil-what">{what}</p>
      {more && <p class="veil-more">{more}</p>}
      {last && <p class="veil-last">{last}</p>}
      {action}
    </div>
  );
}

/* Says a change of state aloud, but neither the first one nor what lasts less than a second. */
export function useSpokenChanges(name: string, state: TileState): void {
  const kind = state.kind;
  const said = useRef<string | null>(null);
  useEffect(() => {
    if (said.current === null && (kind === 'connecting' || kind === 'live')) {
      if (kind === 'live') said.current = kind;
      return undefined;
    }
    const timer = setTimeout(() => {
      if (said.current === kind) return;
      said.current = kind;
      announce(t('state.changed', { name, state: t(LOOKS[kind].word) }));
    }, 1_000);
    return () => clearTimeout(timer);
  }, [kind, name]);
}

interface TileProps {
  name: string;
  state: TileState;
  viewers: string[] | number; // names where the asker may know them
  onViewers?: (() => void) | undefined; // he may ask who, and by what
  href: string | null;
  children?: ComponentChildren; // the picture
  action?: ComponentChildren; // a button of the veil
  tools?: ComponentChildren; // while arranging
}

export function Tile({ name, state, viewers, onViewers, href, children, action, tools }: TileProps) {
  const count = typeof viewers === 'number' ? viewers : viewers.length;
  const who = typeof viewers === 'number' || viewers.length > 2 ? t('tile.viewers', { count }) : viewers.join(', ');
  useSpokenChanges(name, state);
  return (
    <article class={`tile is-${state.kind}${isOld(state) ? ' is-old' : ''}`} data-state={state.kind}>
      <div class="tile-picture" hidden={hidesPicture(state)}>{children}</div>
      <Veil state={state} action={tools ? null : action} />
      {href && (
        <a class="tile-open" href={href} aria-label={`${t('wall.open', { name })}. ${spokenState(state)}`} />
      )}
      <div class="tile-foot">
        <h2 class="tile-name">{name}</h2>
        {count > 0 && !hidesPicture(state) && (onViewers && !tools ? (
          <button type="button" class="tile-viewers" aria-label={`${name}. ${t('watchers.look', { count })}`} onClick={onViewers}>
            <Icon name="eye" size={16} /> <span>{who}</span>
          </button>
        ) : (
          <span class="tile-viewers" title={t('tile.viewers', { count })}>
            <Icon name="eye" size={16} /> <span>{who}</span>
          </span>
        ))}
      </div>
      {state.kind === 'frozen' && <div class="hatch" aria-hidden="true" />}
      <StateChip state={state} />
      {tools}
    </article>
  );
}
