/* A codec as people know it, from how the server or a browser names it ("hvc1.1.6.L93.90", "H265"). */
export function codecFamily(codec: string | null | undefined): string | null {
  if (!codec) return null;
  return /^(avc|h264)/i.test(codec) ? 'H.264' : /^(hvc|hev|h265)/i.test(codec) ? 'H.265' : codec;
}
