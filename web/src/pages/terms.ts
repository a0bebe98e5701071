/* What a grant gives and when: in words, and whether a change of it takes something away. */

import { DAYS, type Day, type Terms } from '../api/types';
import { dayAndTime, list, t, weekday } from '../i18n';

export const isAlways = (terms: Terms): boolean =>
  !terms.days && !terms.from && !terms.to && !terms.not_before && !terms.not_after;

/* "Mon–Fri" where three or more follow one another, else one by one. */
function namesOf(days: Day[]): string[] {
  const runs: number[][] = [];
  for (const index of days.map((day) => DAYS.indexOf(day)).sort((a, b) => a - b)) {
    const run = runs[runs.length - 1];
    if (run && run[run.length - 1] === index - 1) run.push(index);
    else runs.push([index]);
  }
  const name = (index: number) => weekday(index, 'short');
  return runs.flatMap((run) => run.length > 2 ? [`${name(run[0]!)}–${name(run[run.length - 1]!)}`] : run.map(name));
}

/* "Mon–Wed and Fri · 18:00–22:00 · until 24 Dec, 12:00", or "At any time". */
export function inWords(terms: Terms, zone: string | undefined): string {
  if (isAlways(terms)) return t('rights.always');
  return [
    terms.days ? list(namesOf(terms.days)) : '',
    terms.from && terms.to ? t('rights.hours', { from: terms.from, to: terms.to }) : '',
    terms.not_before ? t('rights.since', { date: dayAndTime(Date.parse(terms.not_before), zone) }) : '',
    terms.not_after ? t('rights.until', { date: dayAndTime(Date.parse(terms.not_after), zone) }) : '',
  ].filter(Boolean).join(' · ');
}

/* What a field of the form holds of a moment: the home's clock, "2026-12-24T18:00". */
export function asField(moment: string | null | undefined, zone: string | undefined): string {
  if (!moment) return '';
  const parts = new Intl.DateTimeFormat('sv-SE', {
    dateStyle: 'short', timeStyle: 'short', ...(zone ? { timeZone: zone } : {}),
  }).format(Date.parse(moment));
  return parts.replace(' ', 'T');
}

const DAY = 24 * 60;

function minuteOf(text: string): number {
  const [hours, minutes] = text.split(':').map(Number);
  return hours! * 60 + minutes!;
}

/* Minutes of the week in which it is open, from Monday's midnight: as base/hours.c has it. */
function openMinutes(terms: Terms): Set<number> {
  const from = terms.from ? minuteOf(terms.from) : 0;
  const to = terms.to ? minuteOf(terms.to) : 0;
  const end = to > from ? to : to + DAY;
  const open = new Set<number>();
  for (const day of terms.days ?? DAYS)
    for (let minute = from; minute < end; minute++)
      open.add((DAYS.indexOf(day) * DAY + minute) % (7 * DAY));
  return open;
}

/* A beginning and an end as the form holds them, or empty: they compare as text. */
export interface Span {
  begin: string;
  end: string;
}
const NEVER = '9999';

export function takesAway(before: Terms & Span, after: Terms & Span): boolean {
  if (before.rights.some((right) => !after.rights.includes(right))) return true;
  if (after.begin > before.begin || (after.end || NEVER) < (before.end || NEVER)) return true;
  const open = openMinutes(after);
  return [...openMinutes(before)].some((minute) => !open.has(minute));
}
