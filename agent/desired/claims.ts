/**
 * Who owns what several Services claim: the oldest, then the smaller uid; the others are told so,
 * and one of them gets it when the owner goes away. A ClusterIP belongs as a whole to one Service:
 * nobody takes a port of the DNS address by a load balancer status (threat T1).
 *
 * Work for one changed Service depends on its own frontends and on its rivals alone.
 */
import { formatAddress, formatEndpoint } from '../model/address.ts'
import type { Address } from '../model/address.ts'
import { compareText, keyOf } from '../model/key.ts'
import { exact } from '../model/list.ts'
import type { ObjectKey, ObjectRef, Problem, Protocol, Service } from '../model/objects.ts'
import type { DesiredService, Frontend, FrontendKind } from './desired.ts'
import type { NodeFacts } from './facts.ts'
import { anyAddress, familiesOf, nodePortOf, vipsOf } from './frontends.ts'

/** Text of what is claimed. They live as long as the Service, so they are short. */
export type ClaimKey = string

/** A Service and what it claims. */
export interface Claimant {
  readonly key: ObjectKey
  readonly createdAt_s: number
  readonly uid: string
  readonly claims: readonly ClaimKey[]
}

/** Eight characters, two bytes each. */
function addressText(a: Address): string {
  const word = (i: number): number => ((a[i] ?? 0) << 8) | (a[i + 1] ?? 0)
  const front = String.fromCharCode(word(0), word(2), word(4), word(6))
  return front + String.fromCharCode(word(8), word(10), word(12), word(14))
}

/** The address as a whole, by the Service whose ClusterIP it is. */
function ownerKey(address: Address): ClaimKey {
  return addressText(address)
}

/** Whoever wants some port of an address without owning it. */
function guestKey(address: Address): ClaimKey {
  return `${addressText(address)}g`
}

function frontendKey(
  kind: FrontendKind,
  address: Address,
  port: number,
  protocol: Protocol,
): ClaimKey {
  return `${addressText(address)}${kind === 'NodePort' ? 'n' : 'e'}${protocol}${port}`
}

/** All that a Service claims, each once. None for what is not programmed. */
export function claimantOf(service: Service, facts: NodeFacts): Claimant {
  const claims: ClaimKey[] = []
  for (const family of familiesOf(service)) {
    for (const { kind, address } of vipsOf(service, family, facts, [])) {
      claims.push(kind === 'ClusterIP' ? ownerKey(address) : guestKey(address))
      if (kind === 'ClusterIP') continue
      for (const { port, protocol } of service.ports) {
        claims.push(frontendKey(kind, address, port, protocol))
      }
    }
    for (const port of service.ports) {
      const nodePort = nodePortOf(service, port)
      if (nodePort === 0) continue
      claims.push(frontendKey('NodePort', anyAddress[family], nodePort, port.protocol))
    }
  }
  const { ref, createdAt_s } = service
  return { key: keyOf(ref), createdAt_s, uid: ref.uid, claims: exact(claims) }
}

function isOwnerKey(key: ClaimKey): boolean {
  return key.length === 8
}

function isGuestKey(key: ClaimKey): boolean {
  return key.length === 9
}

function compare(a: Claimant, b: Claimant): number {
  return a.createdAt_s - b.createdAt_s || compareText(a.uid, b.uid) || compareText(a.key, b.key)
}

/** An object deleted and made anew queues anew. */
function isSamePerson(a: Claimant, b: Claimant | undefined): boolean {
  return a.createdAt_s === b?.createdAt_s && a.uid === b.uid
}

function lost(ref: ObjectRef, message: string): Problem {
  const remedy = 'give one of the two another address or port; it is taken over when the owner goes'
  return { ref, reason: 'FrontendTaken', message, remedy }
}

export class Claims {
  readonly #claimants = new Map<ObjectKey, Claimant>()
  /** The owner first. Nearly all have one claimant, who then stands without a list. */
  readonly #byKey = new Map<ClaimKey, Claimant | Claimant[]>()
  /** Claims by guests; none in most clusters, which saves a look for each ClusterIP. */
  #guests_n = 0

  /**
   * Replaces what a Service claims; `undefined`: nothing any more. Adds to `affected` the other
   * Services that won or lost something by it.
   */
  claim(key: ObjectKey, next: Claimant | undefined, affected: Set<ObjectKey>): void {
    const previous = this.#claimants.get(key)
    if (previous !== undefined) this.#leave(previous, next, affected)
    const stays = previous !== undefined && isSamePerson(previous, next)
    const before = stays ? new Set(previous.claims) : undefined
    for (const claim of next?.claims ?? []) {
      if (before?.has(claim) !== true) this.#take(claim, next as Claimant, affected)
    }
    if (next === undefined) this.#claimants.delete(key)
    else this.#claimants.set(key, next)
  }

  /** The wish without the frontends that belong to others; each of them is a problem. */
  award(desired: DesiredService): DesiredService {
    const problems: Problem[] = []
    const ports = desired.ports.map((port) => {
      const frontends = port.frontends.filter((frontend) => {
        const problem = this.#loss(desired, frontend)
        // The any-port frontend goes with the address; one line about that is enough.
        if (problem !== undefined && frontend.port !== 0) problems.push(problem)
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

  /** Gives up what `next` does not keep, and stands in its list as `next` where it does. */
  #leave(previous: Claimant, next: Claimant | undefined, affected: Set<ObjectKey>): void {
    const after = new Set(isSamePerson(previous, next) ? next?.claims : [])
    for (const claim of previous.claims) {
      if (after.has(claim)) this.#replace(claim, previous, next as Claimant)
      else this.#release(claim, previous, affected)
    }
  }

  #all(key: ClaimKey): readonly Claimant[] {
    const found = this.#byKey.get(key)
    if (found === undefined) return []
    return Array.isArray(found) ? found : [found]
  }

  #owner(key: ClaimKey): Claimant | undefined {
    const found = this.#byKey.get(key)
    return Array.isArray(found) ? found[0] : found
  }

  #put(key: ClaimKey, claimants: Claimant[]): void {
    const [first] = claimants
    if (first === undefined) this.#byKey.delete(key)
    else this.#byKey.set(key, claimants.length === 1 ? first : claimants)
  }

  #replace(key: ClaimKey, previous: Claimant, next: Claimant): void {
    this.#put(
      key,
      this.#all(key).map((claimant) => (claimant === previous ? next : claimant)),
    )
  }

  #take(key: ClaimKey, claimant: Claimant, affected: Set<ObjectKey>): void {
    if (isGuestKey(key)) this.#guests_n++
    if (!this.#byKey.has(key)) {
      this.#byKey.set(key, claimant)
      if (isOwnerKey(key)) this.#changedOwner(key, affected)
      return
    }
    const claimants = [...this.#all(key), claimant].sort(compare)
    this.#put(key, claimants)
    if (claimants[0] === claimant) this.#changedOwner(key, affected)
  }

  #release(key: ClaimKey, claimant: Claimant, affected: Set<ObjectKey>): void {
    if (isGuestKey(key)) this.#guests_n--
    const claimants = this.#all(key)
    const wasOwner = claimants[0] === claimant
    this.#put(
      key,
      claimants.filter((other) => other !== claimant),
    )
    if (wasOwner) this.#changedOwner(key, affected)
  }

  #changedOwner(key: ClaimKey, affected: Set<ObjectKey>): void {
    if (isGuestKey(key)) return
    for (const { key: service } of this.#all(key)) affected.add(service)
    if (!isOwnerKey(key) || this.#guests_n === 0) return
    for (const { key: service } of this.#all(`${key}g`)) affected.add(service)
  }

  /** Why `frontend` is not this Service's; undefined if it is. */
  #loss(desired: DesiredService, frontend: Frontend): Problem | undefined {
    const { kind, address, port, protocol } = frontend
    if (kind !== 'NodePort') {
      const owner = this.#owner(ownerKey(address))
      if (owner !== undefined && owner.key !== desired.key) {
        const what = `${kind} ${formatEndpoint(address, port)}/${protocol} is not served`
        const why = `${formatAddress(address)} is the ClusterIP of Service ${owner.key}`
        return lost(desired.ref, `${what}: ${why}`)
      }
      if (kind === 'ClusterIP') return undefined
    }
    const owner = this.#owner(frontendKey(kind, address, port, protocol))
    if (owner === undefined || owner.key === desired.key) return undefined
    const what =
      kind === 'NodePort' ? `NodePort ${port}` : `${kind} ${formatEndpoint(address, port)}`
    const why = owner.createdAt_s < desired.createdAt_s ? 'which is older' : 'which goes first'
    return lost(
      desired.ref,
      `${what}/${protocol} is not served: it belongs to Service ${owner.key}, ${why}`,
    )
  }
}
