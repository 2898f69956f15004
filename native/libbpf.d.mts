/** Types of libbpf.mjs, which runs before TypeScript can. */

export interface Libbpf {
  /** `debian` where the pinned source cannot be had. */
  readonly kind: 'pinned' | 'debian'
  /** Directory that holds `bpf/bpf_helpers.h`. */
  readonly include: string
  /** Arguments for the linker. */
  readonly link: string
  /** Why it is not the pinned one, '' if it is. */
  readonly why: string
}

/** Builds it unless the cache has it (5 s). */
export function libbpf(): Libbpf
export function cacheRoot(): string
