/* The link of an invitation, as text and as a QR code: told once. */

import { shortTime, t } from '../i18n';
import { notify } from './announce';
import { Icon } from './icons';
import { QrCode } from './qr-code';
import { Sheet } from './sheet';

export function LinkSheet({ link, expires, onClose }: { link: string; expires: string; onClose(): void }) {
  const copy = () => void navigator.clipboard.writeText(link).then(() => notify(t('invite.copied')), () => undefined);
  return (
    <Sheet title={t('invite.ready')} onClose={onClose}>
      <p>{t('invite.once', { time: shortTime(Date.parse(expires)) })}</p>
      <QrCode text={link} label={t('invite.qr')} />
      <p class="link" dir="ltr">{link}</p>
      <button type="button" class="button is-primary" onClick={copy}><Icon name="copy" /> {t('invite.copy')}</button>
    </Sheet>
  );
}
