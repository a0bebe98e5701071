/*
 * Pages that are fetched when they are wanted, so that the wall is there first. What can't be fetched
 * (no network, or a server that was updated and has files of other names) is told in words, with a
 * button; it is never an empty page.
 */

import type { ComponentType, FunctionComponent } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { t } from '../i18n';
import { parseRoute, type Route } from '../state/route';
import { Alert, sentenceFor, useSubmit } from './form';
import { Page } from './page';

export type Later<P> = FunctionComponent<P> & { fetch(): Promise<void> };

function Coming() {
  return <main id="content" class="page" aria-busy="true"><p class="quiet is-later" role="status">{t('app.loading')}</p></main>;
}

/* The whole app is loaded again, of whatever version the server is; the address says where it goes on. */
async function loadAgain(): Promise<void> {
  await fetch('/', { method: 'HEAD', cache: 'no-store' }); // else the browser would show a page of its own
  location.reload();
}

function Missing() {
  const { isBusy, error, run } = useSubmit();
  return (
    <Page title={t('later.title')}>
      <Alert>{error === null ? t('later.why') : sentenceFor(error)}</Alert>
      <p><button type="button" class="button is-primary" aria-disabled={isBusy} onClick={() => void run(loadAgain)}>{t('later.again')}</button></p>
    </Page>
  );
}

/* A page whose code `load` fetches; shown at once when it is here already. */
export function later<P extends object>(load: () => Promise<ComponentType<P>>): Later<P> {
  let page: ComponentType<P> | null = null;
  let coming: Promise<void> | null = null;
  const fetchIt = () => {
    coming ??= load().then(
      (found) => { page = found; },
      (error: unknown) => { coming = null; throw error; });
    return coming;
  };
  function Late(props: P) {
    const [isMissing, setIsMissing] = useState(false);
    const [, setIsHere] = useState(page !== null);
    useEffect(() => {
      let isOver = false;
      fetchIt().then(() => { if (!isOver) setIsHere(true); }, () => { if (!isOver) setIsMissing(true); });
      return () => { isOver = true; };
    }, []);
    const Found = page;
    if (Found) return <Found {...props} />;
    return isMissing ? <Missing /> : <Coming />;
  }
  return Object.assign(Late, { fetch: fetchIt });
}

/* What is fetched early is asked for again when it is wanted, and only then missed. */
export const early = (page: Pick<Later<never>, 'fetch'> | undefined): void => void page?.fetch().catch(() => undefined);

/* `listener` hears of pages whose links are pointed at, touched or focused, until the returned function is called. */
export function whenNear(listener: (page: Route['page']) => void): () => void {
  const onNear = (event: Event) => {
    const link = event.target instanceof Element && event.target.closest('a[href^="#/"]');
    if (link) listener(parseRoute(link.getAttribute('href') ?? '').page);
  };
  const kinds = ['pointerover', 'pointerdown', 'focusin'];
  for (const kind of kinds) addEventListener(kind, onNear, { passive: true });
  return () => { for (const kind of kinds) removeEventListener(kind, onNear); };
}

const IDLE_AFTER_MS = 2_000; // the pictures come first
const idly: (work: () => void) => void = globalThis.requestIdleCallback ?? ((work) => setTimeout(work, 200));

/* Fetches one after the other while nothing else is to be done; nothing for who wants to save data. */
export function whenIdle(pages: readonly Pick<Later<never>, 'fetch'>[]): () => void {
  let isOver = (navigator as { connection?: { saveData?: boolean } }).connection?.saveData === true;
  const next = (n: number) => idly(() => {
    if (!isOver) pages[n]?.fetch().then(() => next(n + 1), () => undefined);
  });
  const timer = setTimeout(() => next(0), IDLE_AFTER_MS);
  return () => {
    isOver = true;
    clearTimeout(timer);
  };
}
