import Foundation
import TensorFlowLite
import Windows

/// What `keras-mmdense export tflite` writes beside the file, as far as the loop needs it.
struct Card: Decodable {
    let stems: [String]
    let sampleRate: Int
    let channels: Int
    let window: Int
    let context: Int

    enum CodingKeys: String, CodingKey {
        case stems, channels, window, context
        case sampleRate = "sample_rate"
    }
}

/// A TFLite file of `keras-mmdense export tflite`. Not thread-safe; keep it off the main queue.
final class Separator {
    let card: Card
    private let interpreter: Interpreter
    private let runner: SignatureRunner
    private let windows: Windows

    init(model: URL, card: URL, threads: Int = 2) throws {
        self.card = try JSONDecoder().decode(Card.self, from: Data(contentsOf: card))
        var options = Interpreter.Options()
        options.threadCount = threads
        interpreter = try Interpreter(modelPath: model.path, options: options)
        runner = try interpreter.signatureRunner(with: "serving_default")
        try runner.allocateTensors()
        windows = Windows(
            window: self.card.window, context: self.card.context, channels: self.card.channels)
    }

    /// Separates interleaved audio, samples * channels floats in [-1, 1], into stems by name.
    func separate(_ song: [Float]) throws -> [String: [Float]] {
        try windows.separate(song, run: run)
    }

    private func run(_ waveform: [Float]) throws -> [String: [Float]] {
        let input = waveform.withUnsafeBytes { Data($0) }
        try runner.invoke(with: ["waveform": input])
        var stems: [String: [Float]] = [:]
        for name in card.stems {
            let output = try runner.output(named: name).data
            stems[name] = output.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        }
        return stems
    }
}
