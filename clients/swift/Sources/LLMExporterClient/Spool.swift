import NIOCore

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Batches on disk, until the exporter has answered for them.
///
/// A batch is written before it is first sent, and is gone once its answer has come. So whatever kills this process,
/// what it had handed to the spool is sent by the next one that uses the folder; and whatever of it had arrived before
/// is told by its ids, and not counted twice.
///
/// - Each monitor writes files of its own, `KEY-PID-RANDOM.spool`, and holds a lock (`flock`) on each while it lives. A
///   file that can be locked is an orphan: its process died, and whoever takes the lock delivers it. KEY is a digest of
///   the exporter's URL: only that exporter knows the ids.
/// - A file is a row of frames (`SpoolFrame`). One that is torn or damaged ends its file: what follows it is dropped,
///   and warned of.
/// - The file of a healthy process is truncated to nothing after each batch, so it never grows; during an outage it
///   grows to `segmentBytes`, and then the next begins. A drained one is deleted.
/// - Synced (`fsync`) when a batch has to wait, and from then on after each. A batch that is answered at once is not:
///   the page cache outlives the process, and a cut of power in that instant would lose what no disk ever saw.
struct Spool: Sendable {
    /// What became of a batch that was to be kept.
    enum Outcome { case stored, full, refused }

    /// What waits.
    struct Extent: Equatable, Sendable {
        var records = 0
        var isEmpty = true
        /// `Batch.firstPlace` of the oldest batch of this process.
        var firstPlace: Int?
    }

    /// Each is an open file.
    private static let maxOrphans = 64

    private let folder: String
    private let key: String
    private let maxBytes: Int
    private let segmentBytes: Int
    private let reports: Reports
    /// Files of this monitor; the last is written to, the others are not empty.
    private var own = CircularBuffer<SpoolSegment>()
    /// Files of dead processes, none of them empty.
    private var orphans = CircularBuffer<SpoolSegment>()
    /// The oldest batch, of which parts may have been delivered: see `splitFirst`.
    private var parts = CircularBuffer<Batch>()
    /// Whose the parts are.
    private var isReadingOrphan = false
    private var partsDelivered = 0
    private var isWaiting = false

    /// - `folder`: made when needed, for this user alone.
    /// - `address`: the exporter's, without credentials.
    /// - `maxBytes`: on disk, of this monitor and of what it adopted; then further batches are refused.
    /// - `segmentBytes`: of one file.
    init(folder: String, address: String, maxBytes: Int, segmentBytes: Int = 4 << 20, reports: Reports) {
        // The agent may go to another folder.
        self.folder = folder.hasPrefix("/") ? folder : "\(FileManager.default.currentDirectoryPath)/\(folder)"
        key = RecordLine.fingerprint(address)
        self.maxBytes = maxBytes
        self.segmentBytes = segmentBytes
        self.reports = reports
    }

    var extent: Extent {
        Extent(
            records: (own + orphans).reduce(-partsDelivered) { $0 + $1.records },
            isEmpty: orphans.isEmpty && own.allSatisfy(\.isEmpty), firstPlace: own.first?.firstPlace)
    }

    /// Keeps a batch; `refused` is what the disk does.
    mutating func append(_ batch: Batch) -> Outcome {
        do {
            let frame = try SpoolFrame.bytes(of: batch)
            if (own + orphans).reduce(frame.count, { $0 + $1.bytes }) > maxBytes { return .full }
            if own.last?.hasRoom(for: frame.count, most: segmentBytes) != true {
                own.append(try create())
                // The last one had to be there even when it was empty.
                if own.count > 1, own[own.startIndex].isEmpty { own.removeFirst().remove() }
            }
            let last = own.index(before: own.endIndex)
            try own[last].append(frame, of: batch)
            if isWaiting { own[last].sync() }
            return .stored
        } catch {
            reports.warn("spool", "cannot write to the spool folder \(folder) (\(error)): records stay in memory")
            return .refused
        }
    }

    /// The oldest batch, which stays, and how many records were lost to damage on the way; those of this process first.
    mutating func first() -> (batch: Batch?, lost: Int) {
        var lost = 0
        while parts.isEmpty {
            isReadingOrphan = own.first?.isEmpty ?? true
            guard let segment = isReadingOrphan ? orphans.first : own.first else { break }
            do {
                guard var batch = try segment.first() else { break }
                batch.isStored = true
                // Starts of a dead process, and nothing else.
                if batch.records == 0 { removeFrame() } else { parts.append(batch) }
            } catch {
                lost += segment.records
                reportDamage(of: segment.path, error, bytes: segment.bytes)
                recycle()
            }
        }
        return (parts.first, lost)
    }

    /// Drops what `first` gave: what became of it is known.
    mutating func removeFirst() {
        guard let part = parts.popFirst() else { return }
        partsDelivered += part.records
        if parts.isEmpty { removeFrame() }
    }

    /// Puts two halves into the place of what `first` gave; on disk it stays whole, for its ids tell what arrived.
    mutating func splitFirst() {
        guard let whole = parts.popFirst() else { return }
        let (first, second) = whole.halves()
        parts.prepend(second)
        parts.prepend(first)
    }

    /// Told when batches have to wait: syncs what is on disk.
    mutating func secure() {
        if isWaiting { return }
        isWaiting = true
        for segment in own { segment.sync() }
    }

    /// Takes over what dead processes left behind. Returns how many records that added.
    mutating func adopt() -> Int {
        let held = Set((own + orphans).map(\.path))
        var adopted = 0
        for name in ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
        where orphans.count < Self.maxOrphans && name.hasPrefix(key + "-") && name.hasSuffix(".spool") {
            let path = "\(folder)/\(name)"
            guard !held.contains(path),
                let orphan = SpoolSegment(
                    adopting: path, damage: { reportDamage(of: path, $0, bytes: $1) })
            else { continue }
            if orphan.isEmpty {
                orphan.remove()
            } else {
                adopted += orphan.records
                orphans.append(orphan)
            }
        }
        return adopted
    }

    /// Lets go of the files; what they hold is sent by who adopts them.
    func close() {
        for segment in own + orphans {
            if segment.isEmpty {
                segment.remove()
            } else {
                segment.sync()
                segment.close()
            }
        }
    }

    private func create() throws -> SpoolSegment {
        if !FileManager.default.fileExists(atPath: folder) {
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        }
        let random = String(UInt64.random(in: 0 ... .max), radix: 16)
        return try SpoolSegment(
            creating: "\(key)-\(ProcessInfo.processInfo.processIdentifier)-\(random).spool", in: folder)
    }

    private mutating func removeFrame() {
        partsDelivered = 0
        if isReadingOrphan {
            orphans[orphans.startIndex].removeFirst()
            if orphans[orphans.startIndex].isEmpty { recycle() }
        } else {
            own[own.startIndex].removeFirst()
            if own[own.startIndex].isEmpty { recycle() }
        }
    }

    /// Deletes the file that is read, or empties it where it is the one that is written to.
    private mutating func recycle() {
        partsDelivered = 0
        if isReadingOrphan {
            orphans.removeFirst().remove()
        } else if own.count > 1 {
            own.removeFirst().remove()
        } else {
            isWaiting = false
            do { try own[own.startIndex].empty() } catch {
                reports.warn("spool", "cannot truncate a spool file in \(folder) (\(error))")
            }
        }
    }

    private func reportDamage(of path: String, _ error: any Error, bytes: Int) {
        reports.warn("damage", "dropped \(bytes) bytes of the spool file \(path): \(error)")
    }
}
