/* The choice of a language, before signing in and in the settings. */

import { chooseLanguage, LANGUAGES, language, t, type Language } from '../i18n';
import { useStore } from '../state/store';
import { notify } from './announce';
import { Choices } from './form';

const CHOICES = (Object.entries(LANGUAGES) as [Language, string][])
  .map(([value, label]) => ({ value, label, lang: value }));

export function LanguagePicker({ isCompact = false }: { isCompact?: boolean }) {
  const current = useStore(language);
  return (
    <Choices legend={t('settings.language')} value={current} choices={CHOICES} isRow isQuiet={isCompact}
      onChange={(value) => void chooseLanguage(value).catch(() => notify(t('later.why')))} />
  );
}
