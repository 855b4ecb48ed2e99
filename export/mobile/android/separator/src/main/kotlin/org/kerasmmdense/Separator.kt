package org.kerasmmdense

import java.io.Closeable
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.FloatBuffer
import org.json.JSONObject
import org.tensorflow.lite.Interpreter

/**
 * A TFLite file of `keras-mmdense export tflite`, with the card that was written beside it.
 *
 * Not thread-safe; a call of [separate] takes a while, so keep it off the main thread.
 */
class Separator(model: File, card: String, threads: Int = 2) : Closeable {
    private val facts = JSONObject(card)
    private val interpreter = Interpreter(model, Interpreter.Options().setNumThreads(threads))
    private val windows =
        Windows(facts.getInt("window"), facts.getInt("context"), facts.getInt("channels"))

    /** Names of the stems. */
    val stems: List<String> =
        facts.getJSONArray("stems").let { names -> List(names.length()) { names.getString(it) } }

    /** Rate in Hz that songs must have. */
    val sampleRate: Int = facts.getInt("sample_rate")

    private val kept = facts.getInt("window") * facts.getInt("channels")
    private val input = floats(windows.size * facts.getInt("channels"))
    private val outputs = stems.associateWith { floats(kept) }

    /** Separates interleaved audio, samples * channels floats in [-1, 1], into stems by name. */
    fun separate(song: FloatArray): Map<String, FloatArray> = windows.separate(song, ::run)

    override fun close() = interpreter.close()

    private fun run(waveform: FloatArray): Map<String, FloatArray> {
        input.rewind()
        input.put(waveform).rewind()
        outputs.values.forEach { it.rewind() }
        interpreter.runSignature(mapOf("waveform" to input), outputs, "serving_default")
        return outputs.mapValues { (_, stem) ->
            stem.rewind()
            FloatArray(kept).also { stem.get(it) }
        }
    }

    private fun floats(count: Int): FloatBuffer =
        ByteBuffer.allocateDirect(4 * count).order(ByteOrder.nativeOrder()).asFloatBuffer()
}
