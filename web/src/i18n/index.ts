/*
 * Messages in the person's language. A message is text with {names}, or an object of plural forms
 * chosen by the {count} it is given, or of forms for a time of day ("delle 14:32") and for one with
 * its day ("del 18 nov, 14:32"), chosen by its {time}. build.mjs fails when a catalogue lacks a key,
 * has one too many, or uses other {names} than English does. A catalogue is a file of its own, and
 * only that of the language in use is fetched.
 */

import { createStore, useStore } from '../state/store';
import { storedLanguage, storeLanguage } from '../state/prefs';
import type en from './en.json';

export type Key = keyof typeof en;
type Message = string | Record<string, string>;

/* A time in words, and whether its day is among them. */
export interface Moment {
  text: string;
  isDay: boolean;
}
type Values = Record<string, string | number | Moment>;

export const LANGUAGES = { en: 'English', hi: 'हिन्दी', it: 'Italiano' } as const;
export type Language = keyof typeof LANGUAGES;

const loaders: Record<Language, () => Promise<Record<Key, Message>>> = {
  en: async () => (await import('./en.json')).default,
  hi: async () => (await import('./hi.json')).default,
  it: async () => (await import('./it.json')).default,
};

let catalogue: Partial<Record<Key, Message>> = {}; // none before the first loadLanguage
let plurals = new Intl.PluralRules('en');

export const language = createStore<Language>('en');

const isLanguage = (text: string): text is Language => Object.hasOwn(LANGUAGES, text);

export function preferredLanguage(): Language {
  for (const tag of [storedLanguage() ?? '', ...navigator.languages]) {
    const primary = tag.toLowerCase().split('-')[0] ?? '';
    if (isLanguage(primary)) return primary;
  }
  return 'en';
}

export async function loadLanguage(next: Language): Promise<void> {
  catalogue = await loaders[next]();
  plurals = new Intl.PluralRules(next);
  formats.clear();
  document.documentElement.lang = next;
  language.set(next);
}

export async function chooseLanguage(next: Language): Promise<void> {
  await loadLanguage(next);
  storeLanguage(next);
}

export const useLanguage = (): Language => useStore(language);

function formOf(message: Message, { count, time }: Values): string {
  if (typeof message === 'string') return message;
  const form = 'clock' in message ? (typeof time === 'object' && time.isDay ? 'day' : 'clock') : plurals.select(Number(count));
  return message[form] ?? message.other ?? '';
}

export function t(key: Key, values: Values = {}): string {
  return formOf(catalogue[key] ?? '', values).replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    if (typeof value === 'object') return value.text;
    return typeof value === 'number' ? number(value) : (value ?? '');
  });
}

/* Intl objects are slow to make; one of each per language is kept. */
const formats = new Map<string, unknown>();

function kept<T>(name: string, make: (language: Language) => T): T {
  if (!formats.has(name)) formats.set(name, make(language.get()));
  return formats.get(name) as T;
}

export const number = (value: number, digits = 0): string =>
  kept(
    `number${digits}`,
    (l) => new Intl.NumberFormat(l, { minimumFractionDigits: digits, maximumFractionDigits: digits }),
  ).format(value);

export const list = (items: string[]): string =>
  kept('list', (l) => new Intl.ListFormat(l, { type: 'conjunction' })).format(items);

const DAY_MS = 86_400_000;

/* With the day before it when that was not within the last 20 hours. */
function moment(ms: number, nowMs: number, parts: Intl.DateTimeFormatOptions): Moment {
  const isDay = Math.abs(nowMs - ms) >= (DAY_MS * 20) / 24;
  const day: Intl.DateTimeFormatOptions = isDay ? { day: 'numeric', month: 'short' } : {};
  const format = kept(`${isDay}${parts.second}`, (l) =>
    new Intl.DateTimeFormat(l, { ...day, hour: '2-digit', minute: '2-digit', hourCycle: 'h23', ...parts }));
  return { text: format.format(ms), isDay };
}

/* 14:32:07 */
export const clockTime = (ms: number, nowMs: number = Date.now()): Moment => moment(ms, nowMs, { second: '2-digit' });

/* 14:32 */
export const shortTime = (ms: number, nowMs: number = Date.now()): Moment => moment(ms, nowMs, {});

/* Monday is 0. */
export const weekday = (index: number, style: 'short' | 'long'): string =>
  kept(`weekday-${style}`, (l) => new Intl.DateTimeFormat(l, { weekday: style, timeZone: 'UTC' }))
    .format(Date.UTC(2024, 0, 1 + index)); // a Monday

/* "24 Dec 2026, 18:00", by the clock of a zone. */
export const dayAndTime = (ms: number, zone: string | undefined): string =>
  kept(`day-and-time-${zone}`, (l) => new Intl.DateTimeFormat(l, {
    day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23',
    ...(zone ? { timeZone: zone } : {}),
  })).format(ms);

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', DAY_MS], ['hour', 3_600_000], ['minute', 60_000], ['second', 1_000],
];

/* "2 min. ago", "in 5 sec." */
export function relative(deltaMs: number): string {
  const format = kept('relative', (l) => new Intl.RelativeTimeFormat(l, { style: 'short', numeric: 'always' }));
  for (const [unit, size] of STEPS)
    if (Math.abs(deltaMs) >= size) return format.format(Math.trunc(deltaMs / size), unit);
  return format.format(deltaMs < 0 ? -1 : 1, 'second');
}

/* "1.4 s" below ten seconds, "14 s" and "3 min" above. */
export function duration(ms: number): string {
  const unit = ms < 100_000 ? 'second' : ms < 2 * 3_600_000 ? 'minute' : 'hour';
  const size = unit === 'second' ? 1_000 : unit === 'minute' ? 60_000 : 3_600_000;
  const digits = ms < 10_000 ? 1 : 0;
  return t(`unit.${unit}`, { value: number(ms / size, digits) });
}
