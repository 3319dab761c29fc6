// What this browser keeps for the reader in IndexedDB, so that a dead tab, browser or server loses no stroke.
// One record per case, reader and chain: {key, voxels (gzip), saved (ms), base, start, active, sent}.

const STORE = "drafts";

function opened() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("uptake-review", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "key" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function within(mode, work) {
  const base = await opened();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = base.transaction(STORE, mode, { durability: "strict" });
      const request = work(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    base.close();
  }
}

export const keep = (record) => within("readwrite", (store) => store.put(record));
export const kept = (key) => within("readonly", (store) => store.get(key));
