/** The wishes of all Services together: each alone by `desireService`, then who owns what. */
import type { Store } from '../model/store.ts'
import type { ObjectKey, Service } from '../model/objects.ts'
import { Claims } from './claims.ts'
import type { Claimable } from './claims.ts'
import type { DesiredService, Frontend } from './desired.ts'
import type { NodeFacts } from './facts.ts'
import { frontendsOf, vipsOf } from './frontends.ts'
import { desireNothing, desireService, familiesOf } from './service.ts'

/** What compiling reads of the store. */
export type Objects = Pick<Store, 'service' | 'slicesOf'>

const noBackends = { localCount: 0, hasEndpoints: false }

function claimableOf(service: Service, facts: NodeFacts): Claimable {
  const frontends: Frontend[] = []
  for (const family of familiesOf(service)) {
    const vips = vipsOf(service, family, facts, [])
    for (const port of service.ports) {
      frontends.push(...frontendsOf(service, port, family, vips, noBackends, facts))
    }
  }
  const { ref, createdAt_s } = service
  return { key: `${ref.namespace}/${ref.name}`, ref, createdAt_s, frontends }
}

/**
 * In two steps, so that a cold start knows every claim before the first Service is written:
 * `for (const key of compiler.claim(dirty)) write(compiler.desire(key))`.
 */
export class Compiler {
  readonly #objects: Objects
  readonly #claims = new Claims()
  #facts: NodeFacts

  constructor(objects: Objects, facts: NodeFacts) {
    this.#objects = objects
    this.#facts = facts
  }

  get facts(): NodeFacts {
    return this.#facts
  }

  /** Afterwards every Service is to be claimed and desired anew. */
  setFacts(facts: NodeFacts): void {
    this.#facts = facts
  }

  /**
   * Takes note of changed Services, also of those that are gone. Returns those whose wish may have
   * changed, each once: the same ones, and others that won or lost a frontend by it. The winner
   * may come before the loser: a frontend is to be removed only while it is still the loser's.
   */
  claim(changed: Iterable<ObjectKey>): ObjectKey[] {
    const keys = new Set(changed)
    const others = new Set<ObjectKey>()
    for (const key of keys) {
      const service = this.#objects.service(key)
      const wanted = service === undefined ? undefined : claimableOf(service, this.#facts)
      for (const other of this.#claims.claim(key, wanted)) others.add(other)
    }
    return [...new Set([...keys, ...others])]
  }

  /** The wish for one Service, without frontends that belong to others. */
  desire(key: ObjectKey): DesiredService {
    const service = this.#objects.service(key)
    if (service === undefined) return desireNothing(key)
    return this.#claims.award(desireService(service, this.#objects.slicesOf(key), this.#facts))
  }
}

/** Every Service of a store, in the order of its table. For tests and tools. */
export function compileAll(
  store: Objects & Pick<Store, 'services'>,
  facts: NodeFacts,
): DesiredService[] {
  const compiler = new Compiler(store, facts)
  const keys = [...store.services()].map(({ ref }) => `${ref.namespace}/${ref.name}`)
  return compiler.claim(keys).map((key) => compiler.desire(key))
}
