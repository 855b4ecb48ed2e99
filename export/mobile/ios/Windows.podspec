Pod::Spec.new do |spec|
  spec.name = 'Windows'
  spec.version = '0.1.0'
  spec.summary = 'Joins the windows of a music separator without seams.'
  spec.homepage = 'https://www.tensorflow.org/lite'
  spec.license = 'Apache-2.0'
  spec.author = 'keras_mmdense'
  spec.source = { :path => '.' }
  spec.ios.deployment_target = '13.0'
  spec.swift_version = '5.9'
  spec.source_files = 'Sources/Windows/*.swift'
end
