/* A QR code as a drawing: dark on white in every theme, as readers want it. */

import { qrOf, qrPath } from './qr';

export function QrCode({ text, label }: { text: string; label: string }) {
  const square = qrOf(text);
  if (!square) return null;
  const side = square.length + 8;
  return (
    <svg class="qr" viewBox={`0 0 ${side} ${side}`} role="img" aria-label={label} shape-rendering="crispEdges">
      <path class="qr-paper" d={`M0 0h${side}v${side}h-${side}z`} />
      <path d={qrPath(square)} />
    </svg>
  );
}
