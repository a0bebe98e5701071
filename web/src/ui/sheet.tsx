/*
 * A sheet over the page, and the button for things that can't be taken back: it says what will
 * happen, and wants to be held for a second. A screen reader's click has no press to hold; it must
 * come twice.
 */

import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { t } from '../i18n';
import { Icon } from './icons';

export function Sheet(props: { title: string; onClose(): void; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);
  return (
    <dialog
      ref={dialog} class="sheet" aria-labelledby={id}
      onCancel={(event) => { event.preventDefault(); props.onClose(); }}
      onKeyDown={(event) => event.stopPropagation()}
      onClick={(event) => event.target === dialog.current && props.onClose()}
    >
      <div class="sheet-body">
        <header class="sheet-head">
          <h2 id={id}>{props.title}</h2>
          <button type="button" class="icon-button" onClick={props.onClose} aria-label={t('do.close')}>
            <Icon name="close" />
          </button>
        </header>
        {props.children}
      </div>
    </dialog>
  );
}

const HOLD_MS = 1_000;

export function HoldButton({ label, onHeld, isBusy = false }: { label: string; onHeld(): void; isBusy?: boolean }) {
  const [isHeld, setIsHeld] = useState(false);
  const [isAsked, setIsAsked] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout>>();
  const hadPress = useRef(false);
  useEffect(() => () => clearTimeout(timer.current), []);

  const press = () => {
    if (isHeld || isBusy) return;
    hadPress.current = true;
    setIsHeld(true);
    timer.current = setTimeout(() => { setIsHeld(false); onHeld(); }, HOLD_MS);
  };
  const release = () => {
    clearTimeout(timer.current);
    setIsHeld(false);
  };
  const click = () => {
    if (hadPress.current) {
      hadPress.current = false;
      return;
    }
    if (isAsked) onHeld();
    setIsAsked(!isAsked);
  };
  const isKey = (event: KeyboardEvent) => event.key === ' ' || event.key === 'Enter';
  return (
    <button
      type="button" class={`button is-danger hold${isHeld ? ' is-held' : ''}`} aria-disabled={isBusy}
      onPointerDown={(event) => event.button === 0 && press()}
      onPointerUp={release} onPointerLeave={release} onPointerCancel={release} onBlur={release}
      onContextMenu={(event) => event.preventDefault()}
      onKeyDown={(event) => { if (isKey(event)) { event.preventDefault(); press(); } }}
      onKeyUp={(event) => { if (isKey(event)) { event.preventDefault(); hadPress.current = false; release(); } }}
      onClick={click}
    >
      <span class="hold-fill" aria-hidden="true" />
      <span class="hold-label">{isAsked ? t('do.holdAgain') : t('do.hold', { what: label })}</span>
    </button>
  );
}
