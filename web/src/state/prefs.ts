/* What this browser remembers: language, theme, order of the cameras. Nothing else is stored. */

import { createStore } from './store';

export type Theme = 'auto' | 'light' | 'dark';

function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // storage switched off: the app works, it only forgets
  }
}

function write(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    /* As above. */
  }
}

const storedTheme = read('theme');
export const theme = createStore<Theme>(
  storedTheme === 'light' || storedTheme === 'dark' ? storedTheme : 'auto',
);

export function setTheme(value: Theme): void {
  write('theme', value === 'auto' ? null : value);
  theme.set(value);
  applyTheme();
}

export function applyTheme(): void {
  const value = theme.get();
  if (value === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = value;
}

export const storedLanguage = (): string | null => read('language');
export const storeLanguage = (language: string): void => write('language', language);

const orderKey = (account: string, home: string) => `order/${account}/${home}`;

export function storedOrder(account: string, home: string): string[] {
  try {
    const value: unknown = JSON.parse(read(orderKey(account, home)) ?? '[]');
    return Array.isArray(value) ? value.filter((id) => typeof id === 'string') : [];
  } catch {
    return [];
  }
}

export function storeOrder(account: string, home: string, ids: readonly string[]): void {
  write(orderKey(account, home), JSON.stringify(ids));
}

/* Cameras in the remembered order; those it does not know come last, in the server's order. */
export function inOrder<T extends { id: string }>(items: readonly T[], order: readonly string[]): T[] {
  const place = new Map(order.map((id, index) => [id, index]));
  return items
    .map((item, index) => ({ item, at: place.get(item.id) ?? order.length + index }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
