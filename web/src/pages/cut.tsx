/* Taking a camera away from somebody: what happens, then press and hold. */

import { useEffect, useState } from 'preact/hooks';
import { api } from '../api/client';
import type { Camera } from '../api/types';
import { list, t } from '../i18n';
import { Alert, sentenceFor, useSubmit } from '../ui/form';
import { HoldButton, Sheet } from '../ui/sheet';

export function CutSheet({ home, person, camera, onClose, onDone }: {
  home: string;
  person: { account: string; name: string };
  camera: Camera;
  onClose(): void;
  onDone(): Promise<void>;
}) {
  const { isBusy, error, run } = useSubmit();
  const [isOwner, setIsOwner] = useState(false);
  const [groups, setGroups] = useState<string[]>([]); // by which he sees it nevertheless
  useEffect(() => {
    void api.people(home).then((people) =>
      setIsOwner(people.some((one) => one.account === person.account && one.role === 'owner')), () => undefined);
    void api.groups(home).then((all) =>
      setGroups(all.filter((one) => one.cameras.includes(camera.id) && one.people.some(({ account }) => account === person.account)).map(({ name }) => name)),
    () => undefined);
  }, []);
  const words = { person: person.name, camera: camera.name };
  if (isOwner)
    return <Sheet title={t('cut.title', words)} onClose={onClose}><p>{t('cut.owner', words)}</p></Sheet>;
  return (
    <Sheet title={t('cut.title', words)} onClose={onClose}>
      <ul class="consequences">
        <li>{t('cut.now')}</li>
        <li>{groups.length > 0 ? t('cut.byGroup', { ...words, groups: list(groups) }) : t('cut.later', words)}</li>
        <li>{t('cut.others')}</li>
      </ul>
      {error !== null && <Alert>{sentenceFor(error)}</Alert>}
      <HoldButton label={t('cut.do')} isBusy={isBusy} onHeld={() => void run(async () => {
        await api.cutView(home, person.account, camera.id);
        await onDone();
        onClose();
      })} />
    </Sheet>
  );
}
