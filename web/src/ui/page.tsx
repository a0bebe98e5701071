/* A page: its heading takes the focus when one comes to it, so that a screen reader says where. */

import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { t } from '../i18n';
import { Icon } from './icons';

interface PageProps {
  title: string;
  about?: string | undefined;
  back?: string;
  tools?: ComponentChildren;
  isWide?: boolean;
  children?: ComponentChildren;
}

export function Page({ title, about, back, tools, isWide, children }: PageProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (document.activeElement === document.body) heading.current?.focus({ preventScroll: true });
  }, []);
  useEffect(() => {
    document.title = `${title} · ${t('app.name')}`;
  }, [title]);
  return (
    <main id="content" class={`page${isWide ? ' is-wide' : ''}`}>
      <header class="page-head">
        {back && <a class="icon-button" href={back} aria-label={t('do.back')}><Icon name="back" /></a>}
        <div class="page-title">
          <h1 ref={heading} tabIndex={-1}>{title}</h1>
          {about && <p class="quiet">{about}</p>}
        </div>
        {tools && <div class="page-tools">{tools}</div>}
      </header>
      {children}
    </main>
  );
}
