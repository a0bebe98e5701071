/* This device's microphone: opened when it is asked for, and let go, its lamp with it, when it is not. */

import { useEffect, useState } from 'preact/hooks';

export type MicrophoneTrouble = 'micDenied' | 'micAbsent' | 'micBusy';

export interface Microphone {
  track: MediaStreamTrack | null;
  isMuted: boolean; // by the device: a call came in, or a key was pressed
  trouble: MicrophoneTrouble | null;
}

function troubleOf(error: unknown): MicrophoneTrouble {
  const name = error instanceof DOMException ? error.name : '';
  if (name === 'NotAllowedError' || name === 'SecurityError') return 'micDenied';
  return name === 'NotFoundError' ? 'micAbsent' : 'micBusy';
}

/* What happens in a room is to be heard, not a voice close by: nothing is filtered out as noise. */
const ROOM: MediaTrackConstraints = { echoCancellation: false, noiseSuppression: false, autoGainControl: true };

export function useMicrophone(isWanted: boolean): Microphone {
  const [track, setTrack] = useState<MediaStreamTrack | null>(null);
  const [isMuted, setIsMuted] = useState(false);
  const [trouble, setTrouble] = useState<MicrophoneTrouble | null>(null);
  useEffect(() => {
    if (!isWanted) return undefined;
    let isHere = true;
    let mine: MediaStreamTrack | null = null;
    setTrouble(null);
    if (!navigator.mediaDevices) {
      setTrouble('micDenied');
      return undefined;
    }
    navigator.mediaDevices.getUserMedia({ audio: ROOM, video: false }).then((opened) => {
      mine = opened.getAudioTracks()[0] ?? null;
      if (!isHere) {
        mine?.stop();
        return;
      }
      mine?.addEventListener('mute', () => { if (isHere) setIsMuted(true); });
      mine?.addEventListener('unmute', () => { if (isHere) setIsMuted(false); });
      mine?.addEventListener('ended', () => { if (isHere) { setTrack(null); setTrouble('micBusy'); } });
      setIsMuted(mine?.muted ?? false);
      setTrack(mine);
    }).catch((error: unknown) => { if (isHere) setTrouble(troubleOf(error)); });
    return () => {
      isHere = false;
      mine?.stop();
      setTrack(null);
    };
  }, [isWanted]);
  return { track, isMuted, trouble };
}
