/// Cuts a song into windows and joins what is kept of them, without seams.
///
/// Window i keeps the samples [i * window, (i + 1) * window) of the song and sees `context` more on
/// either side, zeros outside the song. Audio is interleaved: left, right, left, right.
public struct Windows {
    public enum Failure: Error, Equatable {
        case wrongLength(floats: Int, channels: Int)
        case notFinite(sample: Int)
    }

    public let window: Int
    public let context: Int
    public let channels: Int

    /// Samples that the graph takes at a time.
    public var size: Int { window + 2 * context }

    public init(window: Int, context: Int, channels: Int) {
        self.window = window
        self.context = context
        self.channels = channels
    }

    /// Separates a song.
    ///
    /// - Parameters:
    ///   - song: samples * channels floats in [-1, 1].
    ///   - run: from a waveform of `size` * channels floats to stems by name, each of
    ///     `window` * channels floats.
    /// - Returns: stems by name, each as long as the song.
    public func separate(
        _ song: [Float],
        run: ([Float]) throws -> [String: [Float]]
    ) throws -> [String: [Float]] {
        guard !song.isEmpty, song.count % channels == 0 else {
            throw Failure.wrongLength(floats: song.count, channels: channels)
        }
        // The graph would spread a number that is not finite over the whole window.
        if let wrong = song.firstIndex(where: { !$0.isFinite }) {
            throw Failure.notFinite(sample: wrong / channels)
        }
        let samples = song.count / channels
        var joined: [String: [Float]] = [:]
        for start in stride(from: 0, to: samples, by: window) {
            let keep = min(window, samples - start)
            for (name, stem) in try run(cut(song, samples: samples, first: start - context)) {
                joined[name, default: []] += stem[..<(keep * channels)]
            }
        }
        return joined
    }

    private func cut(_ song: [Float], samples: Int, first: Int) -> [Float] {
        let from = max(first, 0)
        let to = min(first + size, samples)
        let before = [Float](repeating: 0, count: (from - first) * channels)
        let after = [Float](repeating: 0, count: (first + size - to) * channels)
        return before + song[from * channels..<to * channels] + after
    }
}
