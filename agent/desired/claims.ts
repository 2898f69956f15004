/**
 * Who owns a frontend that several Services claim: the oldest, then the smaller uid; the others
 * are told so, and one of them gets it when the owner goes away. An address that is some Service's
 * ClusterIP belongs to it on every port: nobody takes the DNS address by a load balancer status
 * (threat T1).
 *
 * Work for one changed Service depends on its own frontends and on its rivals alone.
 */
import { addressBytes, formatAddress, formatEndpoint } from '../model/address.ts'
import { compareText } from '../model/key.ts'
import type { ObjectKey, ObjectRef, Problem } from '../model/objects.ts'
import type { DesiredService, Frontend } from './desired.ts'

/** Text of what is claimed: a frontend, or an address as a whole. */
type ClaimKey = string

interface Claimant {
  readonly key: ObjectKey
  readonly createdAt_s: number
  readonly uid: string
}

interface Claim {
  readonly claimant: Claimant
  /** 0: its ClusterIP. 1: anything else. */
  readonly rank: number
}

/** What claiming needs of a wish: no backends. */
export type Claimable = Pick<DesiredService, 'key' | 'createdAt_s'> & {
  readonly ref: Pick<ObjectRef, 'uid'>
  readonly frontends: readonly Frontend[]
}

interface Holding extends Claimant {
  readonly ranks: ReadonlyMap<ClaimKey, number>
}

const protocolMark = { TCP: 't', UDP: 'u', SCTP: 's' } as const

/** 16 characters, one a byte: half the size of hex, and these live as long as the Service. */
function addressKey(frontend: Frontend): ClaimKey {
  return String.fromCharCode(...frontend.address)
}

function frontendKey(frontend: Frontend): ClaimKey {
  const { kind, port, protocol } = frontend
  const space = kind === 'NodePort' ? 'n' : 'e'
  const address = addressKey(frontend)
  return `${address}${space}${protocolMark[protocol]}${port}`
}

function compare(a: Claim, b: Claim): number {
  return (
    a.rank - b.rank ||
    a.claimant.createdAt_s - b.claimant.createdAt_s ||
    compareText(a.claimant.uid, b.claimant.uid) ||
    compareText(a.claimant.key, b.claimant.key)
  )
}

function ranksOf(frontends: readonly Frontend[]): Map<ClaimKey, number> {
  const ranks = new Map<ClaimKey, number>()
  for (const frontend of frontends) {
    const rank = frontend.kind === 'ClusterIP' ? 0 : 1
    ranks.set(frontendKey(frontend), rank)
    if (frontend.kind === 'NodePort') continue
    const key = addressKey(frontend)
    ranks.set(key, Math.min(rank, ranks.get(key) ?? 1))
  }
  return ranks
}

/** Load balancer addresses are shared by many Services: there only a ClusterIP decides. */
function decides(key: ClaimKey, claim: Claim): boolean {
  const isAddress = key.length === addressBytes
  return !isAddress || claim.rank === 0
}

function addAll(keys: Set<ObjectKey>, claims: readonly Claim[]): void {
  for (const { claimant } of claims) keys.add(claimant.key)
}

export class Claims {
  readonly #holdings = new Map<ObjectKey, Holding>()
  /** Best claim first. */
  readonly #claims = new Map<ClaimKey, Claim[]>()

  /**
   * Replaces what a Service claims; `undefined` or no frontends: it claims nothing any more.
   * Returns the other Services that won or lost something by it, each once.
   */
  claim(key: ObjectKey, wanted: Claimable | undefined): ObjectKey[] {
    const affected = new Set<ObjectKey>()
    const previous = this.#holdings.get(key)
    const next = this.#holdingOf(key, wanted)
    const isSamePerson = previous?.createdAt_s === next?.createdAt_s && previous?.uid === next?.uid
    for (const [claim, rank] of previous?.ranks ?? []) {
      if (!isSamePerson || next?.ranks.get(claim) !== rank) this.#release(claim, key, affected)
    }
    for (const [claim, rank] of next?.ranks ?? []) {
      if (isSamePerson && previous?.ranks.get(claim) === rank) continue
      this.#take(claim, { claimant: next as Claimant, rank }, affected)
    }
    if (next === undefined) this.#holdings.delete(key)
    else this.#holdings.set(key, next)
    affected.delete(key)
    return [...affected]
  }

  /** The wish without the frontends that belong to others; each of them is a problem. */
  award(desired: DesiredService): DesiredService {
    const problems: Problem[] = []
    const ports = desired.ports.map((port) => {
      const frontends = port.frontends.filter((frontend) => {
        const problem = this.#loss(desired, frontend)
        if (problem !== undefined) problems.push(problem)
        return problem === undefined
      })
      return frontends.length === port.frontends.length ? port : { ...port, frontends }
    })
    if (problems.length === 0) return desired
    return {
      ...desired,
      ports: ports.filter((port) => port.frontends.length > 0),
      problems: [...desired.problems, ...problems],
    }
  }

  #holdingOf(key: ObjectKey, wanted: Claimable | undefined): Holding | undefined {
    if (wanted === undefined || wanted.frontends.length === 0) return undefined
    const ranks = ranksOf(wanted.frontends)
    return { key, createdAt_s: wanted.createdAt_s, uid: wanted.ref.uid, ranks }
  }

  #take(key: ClaimKey, claim: Claim, affected: Set<ObjectKey>): void {
    const claims = this.#claims.get(key)
    if (claims === undefined) {
      this.#claims.set(key, [claim])
      return
    }
    let low = 0
    for (let high = claims.length; low < high;) {
      const middle = (low + high) >> 1
      if (compare(claims[middle] as Claim, claim) < 0) low = middle + 1
      else high = middle
    }
    claims.splice(low, 0, claim)
    // Whoever is not first takes nothing from anyone.
    if (low === 0 && decides(key, claim)) addAll(affected, claims)
  }

  #release(key: ClaimKey, service: ObjectKey, affected: Set<ObjectKey>): void {
    const claims = this.#claims.get(key) ?? []
    const at = claims.findIndex((claim) => claim.claimant.key === service)
    if (at < 0) return
    const [claim] = claims.splice(at, 1)
    if (claims.length === 0) this.#claims.delete(key)
    else if (at === 0 && claim !== undefined && decides(key, claim)) addAll(affected, claims)
  }

  /** Why `frontend` is not this Service's; undefined if it is. */
  #loss(desired: DesiredService, frontend: Frontend): Problem | undefined {
    const rank = frontend.kind === 'ClusterIP' ? 0 : 1
    const owner =
      frontend.kind === 'NodePort' ? undefined : this.#claims.get(addressKey(frontend))?.[0]
    if (owner !== undefined && owner.rank < rank && owner.claimant.key !== desired.key) {
      const address = formatAddress(frontend.address)
      const why = `${address} is the ClusterIP of Service ${owner.claimant.key}`
      return lost(desired.ref, `${frontend.kind} address ${why}: it is not served here`)
    }
    const first = this.#claims.get(frontendKey(frontend))?.[0]
    if (first === undefined || first.claimant.key === desired.key) return undefined
    const what =
      frontend.kind === 'NodePort'
        ? `NodePort ${frontend.port}/${frontend.protocol}`
        : `${formatEndpoint(frontend.address, frontend.port)}/${frontend.protocol}`
    const isOlder = first.claimant.createdAt_s < desired.createdAt_s
    const why = isOlder ? 'which is older' : 'which goes first'
    return lost(desired.ref, `${what} belongs to Service ${first.claimant.key}, ${why}`)
  }
}

function lost(ref: ObjectRef, message: string): Problem {
  const remedy = 'give one of the two another address or port; it is taken over when the owner goes'
  return { ref, reason: 'FrontendTaken', message, remedy }
}
